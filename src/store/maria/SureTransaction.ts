/** Transactions of a store whose statements break a unique key by a bug only, which dies with the key's name. */
import { Effect } from "effect"
import type { StoreUnavailable } from "../StoreError.ts"
import type { DatabaseFailure } from "./DatabaseFailure.ts"
import { type ConstraintBroken, fromSession, type Mariadb, type TransactionResult } from "./Mariadb.ts"
import type { Session } from "./MariadbConnection.ts"

export const sureTransaction =
  (database: Mariadb["Service"], store: string) =>
  <A>(
    operation: string,
    body: (session: Session) => Promise<TransactionResult<A>>
  ): Effect.Effect<A, StoreUnavailable> =>
    database
      .transaction(
        `${store}.${operation}`,
        (session): Effect.Effect<TransactionResult<A>, DatabaseFailure> => fromSession(() => body(session))
      )
      .pipe(Effect.catchTag("ConstraintBroken", (broken: ConstraintBroken) => Effect.die(new Error(broken.constraint))))
