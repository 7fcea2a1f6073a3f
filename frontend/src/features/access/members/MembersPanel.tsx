import { Button } from "@mantine/core";
import { IconUserPlus, IconUsers } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { accessClient } from "@/api/clients";
import { AccessService, type Member } from "@/api/contract";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import table from "@/components/DataTable.module.css";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { TimeAgo } from "@/components/TimeAgo";
import { toDate } from "@/lib/proto";
import classes from "../AccessPage.module.css";
import { MoreButton } from "../MoreButton";
import { accessKeys, accessQuery } from "../me";
import { membersQuery } from "../queries";
import { RoleList } from "../roles/RoleList";
import { useMay } from "../use-access";
import { SetMember } from "./SetMember";

/** People with roles in the tenant, besides those whose roles come from their sign-in only. */
export function MembersPanel() {
  const list = useInfiniteQuery(membersQuery());
  const maySet = useMay(AccessService.method.setMember);
  const mayRemove = useMay(AccessService.method.removeMember);
  // Null: none; "new": a new member.
  const [edited, setEdited] = useState<Member | "new" | null>(null);
  const [removed, setRemoved] = useState<Member | null>(null);
  const members = list.data?.pages.flatMap((page) => page.members) ?? [];
  return (
    <>
      <div className={classes.bar}>
        <p>
          Roles that are given here add to those that come with a person's sign-in. People whose roles come
          from the sign-in only are not listed.
        </p>
        {maySet && (
          <Button leftSection={<IconUserPlus size={16} aria-hidden />} onClick={() => setEdited("new")}>
            Add member
          </Button>
        )}
      </div>
      {list.isError ? (
        <ErrorState error={list.error} onRetry={() => void list.refetch()} />
      ) : list.isPending ? (
        <LoadingState label="Loading members" />
      ) : members.length === 0 ? (
        <EmptyState icon={IconUsers} title="No members yet">
          Add people by the subject of their sign-in, or by their verified e-mail address.
        </EmptyState>
      ) : (
        <>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
          <section className={table.scroll} tabIndex={0} aria-label="Members">
            <table className={table.table}>
              <thead>
                <tr>
                  <th scope="col">Person</th>
                  <th scope="col">Roles</th>
                  <th scope="col">Changed</th>
                  <th scope="col">
                    <span className="visually-hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {members.map((member) => {
                  const changed = toDate(member.updateTime);
                  return (
                    <tr key={member.subject}>
                      <td className={table.name}>{member.subject}</td>
                      <td>
                        <RoleList roles={member.roles} />
                      </td>
                      <td>
                        {changed && <TimeAgo time={changed} />}
                        <div className={table.sub}>by {member.creator}</div>
                      </td>
                      <td>
                        <div className={classes.acts}>
                          {maySet && (
                            <Button size="xs" variant="default" onClick={() => setEdited(member)}>
                              Change roles<span className="visually-hidden"> of {member.subject}</span>
                            </Button>
                          )}
                          {mayRemove && (
                            <Button size="xs" variant="default" onClick={() => setRemoved(member)}>
                              Remove<span className="visually-hidden"> {member.subject}</span>
                            </Button>
                          )}
                        </div>
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </section>
          <MoreButton list={list} />
        </>
      )}
      <SetMember edited={edited} onClose={() => setEdited(null)} />
      <RemoveMember member={removed} onClose={() => setRemoved(null)} />
    </>
  );
}

interface RemoveMemberProps {
  readonly member: Member | null;
  readonly onClose: () => void;
}

function RemoveMember({ member, onClose }: RemoveMemberProps) {
  const queryClient = useQueryClient();
  const me = useQuery(accessQuery());
  // Keeps the text while the dialog fades out.
  const [shown, setShown] = useState(member);
  if (member !== null && member !== shown) setShown(member);
  const remove = useMutation({
    mutationFn: (subject: string) => accessClient.removeMember({ subject }),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: accessKeys.all });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      opened={member !== null}
      title={`Remove ${shown?.subject}?`}
      permanent={null}
      confirm="Remove member"
      dangerous
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => member && remove.mutate(member.subject)}
      onClose={() => {
        remove.reset();
        onClose();
      }}
    >
      <p>
        The roles given here are taken away. Roles that come with the sign-in stay. You can add the person
        again.
      </p>
      {shown?.subject === me.data?.subject && <p>This is you: you may lose the way back to this page.</p>}
    </ConfirmDialog>
  );
}
