/** What an operator decided about outbox rows that were set aside: back to the end of the outbox, or gone. */
import type { Changes } from "../../TenantStore.ts"
import type { Session } from "../MariadbConnection.ts"

const retrySql = `INSERT INTO outbox
    (tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at, revocation_seq)
  SELECT tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at, NULL
  FROM outbox_aside WHERE id = ?`
const deleteSql = "DELETE FROM outbox_aside WHERE id = ?"

export const applyAside = (session: Session, ended: Changes["asideEnded"] = []): ReadonlyArray<Promise<unknown>> => [
  ...ended.filter(({ action }) => action === "retry").map(({ id }) => session.run(retrySql, [id])),
  ...ended.map(({ id }) => session.run(deleteSql, [id]))
]
