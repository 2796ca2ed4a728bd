/** `/openapi.json` and `/docs`: made once, when they are first asked for. */
import type { PublicRow } from "./PublicRow.ts"

export const rows: ReadonlyArray<PublicRow> = []
