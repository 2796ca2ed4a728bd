/** Every row that is an operation of the bus: contract section 9. */
import { clientCredentialRows } from "./ClientCredentialRows.ts"
import { credentialRows } from "./CredentialRows.ts"
import { otherRows } from "./OtherRows.ts"
import type { Row } from "./Row.ts"
import { tokenRows } from "./TokenRows.ts"

export const rows: ReadonlyArray<Row> = [...tokenRows, ...clientCredentialRows, ...credentialRows, ...otherRows]
