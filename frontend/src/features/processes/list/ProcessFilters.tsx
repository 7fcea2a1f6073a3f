import { CloseButton, NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { pipelinesQuery } from "@/features/pipelines/queries";
import type { ProcessesSearch } from "@/lib/search";
import { chosenStates, NO_PIPELINE, STATE_GROUPS, statesText } from "../filters";
import classes from "../ProcessesPage.module.css";

interface ProcessFiltersProps {
  readonly search: ProcessesSearch;
  readonly onChange: (search: ProcessesSearch) => void;
}

/** Filters of the list: name, states, pipeline. */
export function ProcessFilters({ search, onChange }: ProcessFiltersProps) {
  const pipelines = useQuery(pipelinesQuery());
  const [name, setName] = useState(search.q ?? "");
  useEffect(() => setName(search.q ?? ""), [search.q]);
  const searchFor = useDebouncedCallback((q: string) => onChange({ ...search, q: q || undefined }), 250);
  const chosen = chosenStates(search.state);

  const toggle = (words: readonly string[], on: boolean) => {
    const next = new Set(chosen);
    for (const word of words) {
      if (on) next.add(word);
      else next.delete(word);
    }
    onChange({ ...search, state: statesText(next) });
  };
  const names = (pipelines.data ?? []).map((pipeline) => pipeline.name);
  const gone =
    search.pipeline !== undefined && search.pipeline !== NO_PIPELINE && !names.includes(search.pipeline);
  return (
    // biome-ignore lint/a11y/useSemanticElements: not every screen reader knows <search> yet.
    <div role="search" aria-label="Processes" className={classes.filters}>
      <TextInput
        className={classes.search}
        aria-label="Part of the file name"
        placeholder="Search by file name"
        leftSection={<IconSearch size={16} aria-hidden />}
        rightSection={
          name !== "" && (
            <CloseButton
              size="sm"
              aria-label="Clear search"
              onClick={() => {
                setName("");
                onChange({ ...search, q: undefined });
              }}
            />
          )
        }
        value={name}
        onChange={(event) => {
          setName(event.currentTarget.value);
          searchFor(event.currentTarget.value.trim());
        }}
      />
      <NativeSelect
        className={classes.pipeline}
        aria-label="Pipeline"
        value={search.pipeline ?? ""}
        onChange={(event) => onChange({ ...search, pipeline: event.currentTarget.value || undefined })}
        data={[
          { value: "", label: "All pipelines" },
          { value: NO_PIPELINE, label: "No pipeline" },
          ...(gone ? [search.pipeline as string] : []),
          ...names,
        ]}
      />
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset has its own look. */}
      <div role="group" aria-label="States" className={classes.chips}>
        {STATE_GROUPS.map(({ label, words }) => {
          const on = words.every((word) => chosen.has(word));
          return (
            <button
              key={label}
              type="button"
              className={classes.chip}
              aria-pressed={on}
              onClick={() => toggle(words, !on)}
            >
              {label}
            </button>
          );
        })}
      </div>
    </div>
  );
}
