/**
 * Commands that hash token values.
 *
 * A hash holds as long as the keys do that were alive when it was made: a row may have moved to a new
 * key since, and a key may be retired. So values are hashed when the command's turn has come, and when
 * its rows are locked and read it is asked whether the keys are still those, read so lately that no row
 * can stand under another. If not, nothing is decided: the command is prepared again, or answered 503.
 */
import type { Keyring } from "../../crypto/Keyring.ts"
import { hexOf } from "../../domain/Bytes.ts"
import type { Pieces } from "../../observability/Pieces.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { HashedValue } from "./commands/tokenRows.ts"

/** A value under every key that is alive, the one to write with first. */
export type HashValue = (appName: string, value: string) => HashedValue

/**
 * `make` is called once for each turn, and may be left between two of its `count` values. Ids and new values are made
 * once, so that a repetition finds them.
 */
export const keyed =
  (keyring: Keyring["Service"]) =>
  <A>(name: string, caller: Caller, count: number, make: (hash: HashValue) => Pieces<Command<A>>): Command<A> => {
    const keyIds = (): string => keyring.hashKeyIds().join()
    const hash: HashValue = (appName, value) => {
      const all = keyring.hashTokenAll(appName, value)
      return {
        value,
        hash: all[0]!.hash,
        hashKeyId: all[0]!.keyId,
        hashes: all.map((hashed) => hexOf(hashed.hash))
      }
    }
    return {
      name,
      caller,
      load: {},
      decide: () => {
        throw new Error(`${name} was not prepared`)
      },
      prepare: {
        count,
        make: function* () {
          const before = keyIds()
          let isUsed = false
          const command = yield* make((appName, value) => {
            isUsed = true
            return hash(appName, value)
          })
          return { ...command, stillHolds: () => !isUsed || (keyring.isCurrent() && keyIds() === before) }
        }
      }
    }
  }
