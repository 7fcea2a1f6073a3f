import { IconInfoCircle } from "@tabler/icons-react";
import type { Notice } from "@/api/contract";
import { formatCount, plural } from "@/lib/format";
import classes from "./NoticeList.module.css";

/** What a person should know of a file and its rows although nothing was rejected. */
export function NoticeList({ notices }: { readonly notices: readonly Notice[] }) {
  if (notices.length === 0) return null;
  return (
    <ul className={classes.notices} aria-label="Good to know">
      {notices.map((notice) => (
        <li key={`${notice.code} ${notice.message}`}>
          <IconInfoCircle size={16} stroke={1.75} aria-hidden />
          <span>
            {notice.message}
            {notice.rows > 0n && <span className="muted"> {rowsOf(notice)}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** "3 rows: 4, 9, 12", with at most five numbers. */
export function rowsOf(notice: Pick<Notice, "rows" | "rowNumbers">): string {
  const numbers = notice.rowNumbers.slice(0, 5).map((number) => formatCount(number));
  const more = numbers.length > 0 && notice.rows > BigInt(numbers.length) ? ", …" : "";
  return plural(notice.rows, "row") + (numbers.length > 0 ? `: ${numbers.join(", ")}${more}` : "");
}
