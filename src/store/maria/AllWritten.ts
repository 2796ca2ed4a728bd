/**
 * Whether a statement has changed all the rows that are there for certain.
 *
 * A server that is told to end a statement (`KILL QUERY`) may answer as if there were no more rows: a DELETE as if there was
 * none, the UPDATE or DELETE of many as if one of them were missing, and what was changed before that stays (MariaDB 10.11).
 * An UPDATE of one, an INSERT, and what stands in a block are ended with an error.
 */
import { DatabaseFailure } from "./DatabaseFailure.ts"

/** Throws what the server should have said. */
export const allOf =
  (rows: number) =>
  (changed: number): number => {
    if (changed >= rows) return changed
    throw new DatabaseFailure({ errno: 1317, code: "ER_QUERY_INTERRUPTED", constraint: null, fatal: false })
  }
