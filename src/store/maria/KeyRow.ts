/** A row of `data_keys` as a value. */

import type { AgedKey } from "../KeyRotationStore.ts"
import type { KeyPurpose, KeyState, StoredKey } from "../KeyStore.ts"
import * as Columns from "./Columns.ts"
import type { Row } from "./MariadbConnection.ts"

const names = ["key_id", "purpose", "tenant_id", "state", "master_key_id", "wrapped", "created_at", "link"]

/** As they are written. */
export const storedKeyColumns = names.join(", ")
/** As they are read: keys are read all together, so no number of one row may end the reading. */
const createdSql = Columns.clampedSql("created_at")
export const readKeyColumns = names.map((name) => (name === "created_at" ? createdSql : name)).join(", ")
/** With the age by the database's clock. */
export const keyColumns = `${readKeyColumns}, ${Columns.clampedSql(`${Columns.nowSql} - ${createdSql}`)}`

const linkOf = (link: string | null): { readonly link?: string } => (link === null ? {} : { link })

export const storedKeyOf = (row: Row): StoredKey => ({
  keyId: Columns.uuid(row, 0),
  purpose: Columns.text(row, 1) as KeyPurpose,
  tenantId: Columns.textOrNull(row, 2),
  state: Columns.text(row, 3) as KeyState,
  masterKeyId: Columns.text(row, 4),
  wrapped: new Uint8Array(Columns.bytes(row, 5)),
  createdAt: Columns.whole(row, 6),
  ...linkOf(Columns.textOrNull(row, 7))
})

export const keyOf = (row: Row): AgedKey => ({ ...storedKeyOf(row), ageMs: Columns.whole(row, names.length) })
