import { IconCheck } from "@tabler/icons-react";
import table from "@/components/DataTable.module.css";
import classes from "../AccessPage.module.css";
import { methodTable, ROLES } from "./roles";

const GROUPS = methodTable();

/** What each role may do, from the contract. */
export function RolesPanel() {
  return (
    <>
      <div className={classes.bar}>
        <p>
          A person or key with several roles may do what any of them allows. Calls marked “logged” are written
          to the audit log.
        </p>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section className={table.scroll} tabIndex={0} aria-label="What each role may do">
        <table className={`${table.table} ${classes.table}`}>
          <thead>
            <tr>
              <th scope="col">Call</th>
              {ROLES.map(({ role, label }) => (
                <th key={role} scope="col" className={classes.mark}>
                  {label}
                </th>
              ))}
              <th scope="col">Audit log</th>
            </tr>
          </thead>
          {GROUPS.map(({ title, methods }) => (
            <tbody key={title}>
              <tr>
                <th scope="rowgroup" colSpan={ROLES.length + 2}>
                  {title}
                </th>
              </tr>
              {methods.map(({ name, label, roles, platform, audited }) => (
                <tr key={name}>
                  <th scope="row">
                    {label}
                    {platform && <div className={table.sub}>only in the platform's tenant</div>}
                  </th>
                  {ROLES.map(({ role }) => (
                    <td key={role} className={classes.mark}>
                      {roles.includes(role) ? (
                        <>
                          <IconCheck size={16} stroke={2} className={classes.yes} aria-hidden />
                          <span className="visually-hidden">yes</span>
                        </>
                      ) : (
                        <span className="visually-hidden">no</span>
                      )}
                    </td>
                  ))}
                  <td className={table.sub}>{audited && "logged"}</td>
                </tr>
              ))}
            </tbody>
          ))}
        </table>
      </section>
    </>
  );
}
