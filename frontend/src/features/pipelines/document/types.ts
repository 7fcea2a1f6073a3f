/** The pipeline document as the editor sees it. The server validates it; docs/reference/pipeline-document.md describes it. */

export const FIELD_TYPES = [
  "string",
  "integer",
  "number",
  "boolean",
  "date",
  "datetime",
  "time",
  "year",
  "yearmonth",
  "duration",
  "geopoint",
  "geojson",
  "array",
  "object",
  "list",
  "any",
] as const;

export type FieldType = (typeof FIELD_TYPES)[number];

const CONSTRAINTS = [
  "required",
  "unique",
  "enum",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minLength",
  "maxLength",
  "pattern",
  "jsonSchema",
] as const;

export type ConstraintName = (typeof CONSTRAINTS)[number];

const ORDERED: readonly ConstraintName[] = [
  "required",
  "unique",
  "enum",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
];
const LISTED: readonly ConstraintName[] = ["required", "unique", "enum"];
const SIZED: readonly ConstraintName[] = ["required", "unique", "enum", "minLength", "maxLength"];
const TEXT: readonly ConstraintName[] = ["required", "unique", "enum", "pattern", "minLength", "maxLength"];

/** The constraints that fit each type. */
export const CONSTRAINTS_OF: Readonly<Record<FieldType, readonly ConstraintName[]>> = {
  string: TEXT,
  any: TEXT,
  integer: ORDERED,
  number: ORDERED,
  date: ORDERED,
  datetime: ORDERED,
  time: ORDERED,
  year: ORDERED,
  yearmonth: ORDERED,
  boolean: LISTED,
  duration: ORDERED,
  geopoint: LISTED,
  geojson: LISTED,
  array: [...SIZED, "jsonSchema"],
  object: [...SIZED, "jsonSchema"],
  list: SIZED,
};

/** The types of a list's items. */
export const ITEM_TYPES = ["string", "integer", "number", "boolean", "date", "datetime", "time"] as const;

/** Named formats; formats of dates, datetimes and times are patterns. */
export const FORMATS_OF: Readonly<Partial<Record<FieldType, readonly string[]>>> = {
  string: ["email", "uri", "uuid", "binary"],
  geopoint: ["array", "object"],
  geojson: ["topojson"],
};

/** Keys of a field that exist for these types only. */
export const TYPES_OF: Readonly<Record<string, readonly FieldType[]>> = {
  trueValues: ["boolean"],
  falseValues: ["boolean"],
  decimalChar: ["number"],
  groupChar: ["number", "integer"],
  bareNumber: ["number", "integer"],
  delimiter: ["list"],
  itemType: ["list"],
  categories: ["string", "integer"],
  categoriesOrdered: ["string", "integer"],
};

/** A text that means "missing", optionally with a label for people. */
export type MissingValue = string | { readonly value: string; readonly label?: string };

export interface PipelineField {
  readonly name: string;
  readonly type: string;
  readonly title?: string;
  readonly description?: string;
  readonly format?: string;
  /** Labels by which its column is known too. */
  readonly labels?: readonly string[];
  readonly trueValues?: readonly string[];
  readonly falseValues?: readonly string[];
  readonly bareNumber?: boolean;
  readonly delimiter?: string;
  readonly itemType?: string;
  readonly constraints?: Readonly<Record<string, unknown>>;
  readonly [other: string]: unknown;
}

interface PipelineSchema {
  readonly fields: readonly PipelineField[];
  readonly missingValues?: readonly MissingValue[];
  readonly fieldsMatch?: string;
  readonly primaryKey?: string | readonly string[];
  readonly [other: string]: unknown;
}

interface PipelineSink {
  readonly table?: string;
  readonly mode?: string;
  readonly key?: string | readonly string[];
  readonly [other: string]: unknown;
}

/** A transform, filter or rule: an object whose keys depend on what it does. */
export type Step = Readonly<Record<string, unknown>>;

export interface PipelineDocument {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly schema: PipelineSchema;
  readonly mapping?: Readonly<Record<string, string>>;
  readonly dialect?: Step;
  readonly transforms?: readonly Step[];
  readonly filters?: readonly Step[];
  readonly rules?: readonly Step[];
  readonly policy?: Step;
  readonly sink: PipelineSink;
  readonly [other: string]: unknown;
}
