/** `{instance}.v1.{tenant}.service.*`. Contract section 3.4. */
import { Effect } from "effect"
import { Credentials } from "../actors/credentials/Credentials.ts"
import { serviceNamePattern } from "../domain/Names.ts"
import { DisableService, EnableService, ListServices, ServiceAnswer, ServicePage } from "../schema/CredentialJson.ts"
import { encodeService } from "./CredentialAnswers.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"

export const serviceOperations = [
  operation({
    family: "tenant",
    name: "service.list",
    about: "The services that the tenant has stored credentials for or switched, by name.",
    request: ListServices,
    answer: ServicePage,
    errors: ["INVALID_CURSOR"],
    handle: Effect.fnUntraced(function* ({ cursor, limit }, { answerBytesMax, tenantId }) {
      const credentials = yield* Credentials
      const { content, nextCursor } = yield* answerPage({
        list: "service.list",
        of: [tenantId],
        place: serviceNamePattern,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (max, after) => credentials.services(tenantId, { limit: max, after }),
        encode: encodeService
      })
      return { content, ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }) }
    })
  }),
  operation({
    family: "tenant",
    name: "service.enable",
    about: "The service's secrets are handed out again.",
    request: EnableService,
    answer: ServiceAnswer,
    errors: ["LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* ({ service_name }, { caller, tenantId }) {
      const credentials = yield* Credentials
      return encodeService(yield* credentials.enableService(tenantId, service_name, caller))
    })
  }),
  operation({
    family: "tenant",
    name: "service.disable",
    about: "From the answer on no replica hands out a secret of the service to this tenant; nothing is lost.",
    request: DisableService,
    answer: ServiceAnswer,
    errors: ["LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* ({ reason = null, service_name }, { caller, tenantId }) {
      const credentials = yield* Credentials
      return encodeService(yield* credentials.disableService(tenantId, service_name, reason, caller))
    })
  })
]
