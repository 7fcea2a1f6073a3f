import { useQuery } from "@tanstack/react-query";
import { LoadingState } from "@/components/LoadingState";
import classes from "./Loaded.module.css";
import { loadedRowQuery } from "./queries";

interface LoadedValuesProps {
  readonly processId: string;
  readonly rowNumber: number;
}

/** A loaded row as it is in its table now. */
export function LoadedValues({ processId, rowNumber }: LoadedValuesProps) {
  const { data, isError } = useQuery(loadedRowQuery(processId, rowNumber));
  if (isError) return <p>This row was loaded. Its values cannot be read at the moment.</p>;
  if (data === undefined) return <LoadingState lines={3} label="Reading the row from its table" />;
  if (data.unreadable !== "") return <p>This row was loaded. {data.unreadable}</p>;
  const row = data.rows[0];
  if (row === undefined) {
    return (
      <p>
        This row was loaded, but is not in the table {data.table} now: it was removed or replaced afterwards.
      </p>
    );
  }
  return (
    <section aria-label="Values in the table">
      <h3>Values in the table {data.table}, as they are now</h3>
      <dl className={classes.values}>
        {data.columns.map(({ name, label }, index) => {
          const text = row.cells[index]?.text;
          return (
            <div key={name}>
              <dt>
                {name}
                {label !== "" && label !== name && <span className="muted"> from {label}</span>}
              </dt>
              <dd>
                {text === undefined ? (
                  <span className="muted">no value (NULL)</span>
                ) : text === "" ? (
                  <span className="muted">empty text</span>
                ) : (
                  text
                )}
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}
