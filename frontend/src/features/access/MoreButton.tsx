import { Button } from "@mantine/core";
import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import classes from "./AccessPage.module.css";

/** Fetches the next page of a list, if there is one. */
export function MoreButton({ list }: { readonly list: UseInfiniteQueryResult }) {
  if (!list.hasNextPage) return null;
  return (
    <div className={classes.more}>
      <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
        Show more
      </Button>
    </div>
  );
}
