/** `{instance}.v1.{tenant}.audit.*`, contract section 3.5, and `{instance}.admin.v1.audit.*` for auditors of the platform. */
import { Effect } from "effect"
import { Audit } from "../actors/audit/Audit.ts"
import { numberPlace } from "../domain/Page.ts"
import {
  AcceptLoss,
  AuditPage,
  CutAudit,
  CutAuditAnswer,
  ListAnyAudit,
  ListAudit,
  RepairAudit,
  RepairedAnswer,
  SignAudit,
  SignedAudit,
  VerdictAnswer,
  VerifyAudit
} from "../schema/AuditJson.ts"
import { encodeAuditRow, encodeCut, encodeSigned, encodeVerdict } from "./AuditAnswers.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"

export const auditOperations = [
  operation({
    family: "tenant",
    name: "audit.list",
    about: "The tenant's audit, oldest first: who did, read or was refused what. Secrets only as keyed fingerprints.",
    request: ListAudit,
    answer: AuditPage,
    errors: ["INVALID_CURSOR"],
    handle: Effect.fnUntraced(function* (request, { answerBytesMax, caller, tenantId }) {
      const audit = yield* Audit
      const { cursor, entityId = null, from = null, limit, to = null } = request
      return yield* answerPage({
        list: "audit.list",
        of: [tenantId, entityId, from, to],
        place: numberPlace,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        isWhole: true,
        fetch: (limit, after) => audit.list(tenantId, { entityId, from, to, limit, after }, caller),
        encode: encodeAuditRow
      })
    })
  }),
  operation({
    family: "tenant",
    name: "audit.verify",
    about:
      "Walks the audit's chain and compares it to its signed checkpoints; names the first link that does not hold.",
    request: VerifyAudit,
    answer: VerdictAnswer,
    errors: ["LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* ({ from = null, to = null }, { caller, tenantId }) {
      const audit = yield* Audit
      return encodeVerdict(yield* audit.verify(tenantId, { from, to }, caller))
    })
  }),
  operation({
    family: "admin",
    name: "audit.list",
    about: "The audit of any tenant, of a removed one too, oldest first; that it was read is in the audit of `global`.",
    request: ListAnyAudit,
    answer: AuditPage,
    errors: ["INVALID_CURSOR", "TENANT_NOT_FOUND"],
    handle: Effect.fnUntraced(function* (request, { answerBytesMax, caller }) {
      const audit = yield* Audit
      const { cursor, entityId = null, from = null, limit, tenantId, to = null } = request
      return yield* answerPage({
        list: "admin.audit.list",
        of: [tenantId, entityId, from, to],
        place: numberPlace,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        isWhole: true,
        fetch: (limit, after) => audit.listAny(tenantId, { entityId, from, to, limit, after }, caller),
        encode: encodeAuditRow
      })
    })
  }),
  operation({
    family: "admin",
    name: "audit.cut",
    about:
      "Takes the rows before a date or a number away, up to a signed one; a signed stub stands for them, and the rest verifies. Again while `more`.",
    request: CutAudit,
    answer: CutAuditAnswer,
    errors: ["TENANT_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ before, tenantId }, { caller }) {
      const audit = yield* Audit
      return encodeCut(tenantId, yield* audit.cut(tenantId, before, caller))
    })
  }),
  operation({
    family: "admin",
    name: "audit.repair",
    about:
      "Puts a signed note into a chain about a row whose text was no Unicode and was stored as another one; refused for any other row.",
    request: RepairAudit,
    answer: RepairedAnswer,
    errors: ["TENANT_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ seq, tenantId }, { caller }) {
      const audit = yield* Audit
      yield* audit.repair(tenantId, seq, caller)
      return { tenantId, seq, repaired: true }
    })
  }),
  operation({
    family: "admin",
    name: "audit.accept",
    about:
      "Accepts, signed and announced, that a restored audit lacks what was signed up to the head that is named: it verifies again, with the gap told.",
    request: AcceptLoss,
    answer: SignedAudit,
    errors: ["TENANT_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ tenantId, ...request }, { caller }) {
      const audit = yield* Audit
      return encodeSigned(yield* audit.accept(tenantId, request, caller))
    })
  }),
  operation({
    family: "admin",
    name: "audit.sign",
    about:
      "The present head of a tenant's audit, signed now, as the event `audit.checkpoint` has it: the end of an export.",
    request: SignAudit,
    answer: SignedAudit,
    errors: ["TENANT_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ tenantId }, { caller }) {
      const audit = yield* Audit
      return encodeSigned(yield* audit.sign(tenantId, caller))
    })
  })
]
