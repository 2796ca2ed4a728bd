/** `{instance}.admin.v1.keys.*`. Contract section 3.6. */
import { Effect } from "effect"
import { type KeyRecord, Keys, keysInUseMax, type RotatedKeys } from "../actors/keys/Keys.ts"
import { LimitReached } from "../domain/errors.ts"
import { entityIdPattern } from "../domain/Names.ts"
import { Nothing } from "../schema/Field.ts"
import {
  KeyPage,
  ListKeys,
  RetireAnswer,
  RetireKey,
  RotateAnswer,
  RotateKeys,
  StatusAnswer
} from "../schema/KeyJson.ts"
import { formatDate } from "../schema/Timestamp.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"
import { failureOf } from "./Status.ts"

const encodeKey = ({ createdAt, keyId, purpose, rows, state, tenantId }: KeyRecord) => ({
  keyId,
  purpose,
  ...(tenantId === null ? {} : { tenantId }),
  state,
  createdDate: formatDate(createdAt),
  rows
})

const encodeNotRotated = ({ keyId, purpose, why }: RotatedKeys["notRotated"][number]) => {
  const limit = "keys of one purpose, until the rows under the first of them are moved"
  const { code, reasonPhrase } = failureOf(new LimitReached({ limit, max: keysInUseMax }))
  const young = "it followed another less than CM_KEYS_AGE_MIN ago: wait, or say force"
  return { keyId, purpose, code, reasonPhrase: why === "young" ? young : reasonPhrase }
}

export const keyOperations = [
  operation({
    family: "admin",
    name: "keys.list",
    about: "The keys by id, with their state and how many rows need each.",
    request: ListKeys,
    answer: KeyPage,
    errors: ["INVALID_CURSOR"],
    handle: Effect.fnUntraced(function* ({ cursor, limit }, { answerBytesMax }) {
      const keys = yield* Keys
      return yield* answerPage({
        list: "keys.list",
        of: [],
        place: entityIdPattern,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (max, after) => keys.listKeys({ limit: max, after }),
        encode: encodeKey
      })
    })
  }),
  operation({
    family: "admin",
    name: "keys.rotate",
    about: "Gives the service's keys successors and the tenants new data keys; rows are moved in the background.",
    request: RotateKeys,
    answer: RotateAnswer,
    handle: Effect.fnUntraced(function* ({ force = false, purpose = null }, { caller }) {
      const keys = yield* Keys
      const { keyIds, notRotated, tenants } = yield* keys.rotateKeys(caller, { purpose, force })
      return { keyIds, tenants, ...(notRotated.length === 0 ? {} : { notRotated: notRotated.map(encodeNotRotated) }) }
    })
  }),
  operation({
    family: "admin",
    name: "keys.status",
    about: "How far the moving of rows to new keys is.",
    request: Nothing,
    answer: StatusAnswer,
    handle: Effect.fnUntraced(function* () {
      const keys = yield* Keys
      const { etaSeconds, ...status } = yield* keys.keysStatus()
      return { ...status, ...(etaSeconds === null ? {} : { etaSeconds }) }
    })
  }),
  operation({
    family: "admin",
    name: "keys.retire",
    about: "Retires a key that no row needs any more and nobody writes with.",
    request: RetireKey,
    answer: RetireAnswer,
    errors: ["KEY_NOT_FOUND", "KEY_IN_USE"],
    handle: Effect.fnUntraced(function* ({ keyId }, { caller }) {
      const keys = yield* Keys
      yield* keys.retireKey(keyId, caller)
      return { keyId, state: "retired" as const }
    })
  })
]
