/**
 * Who a request for a secret comes from: by what the bus or a verified token says, never by a claim.
 *
 * - `credential.get.<consumer>`: bus permissions decide who may publish that subject;
 * - a verified bearer token: its principal (`Access`);
 * - a service import: the server makes the reply subject `_R_.…` then, which no client can, and names
 *   the account in `Nats-Request-Info`. Within an account that header is worth nothing.
 */
import { Option, Schema } from "effect"
import type { Consumer } from "../domain/Access.ts"
import type { Asked } from "./Operation.ts"

const importedReply = "_R_."
/** The principal of callers that only the bus knows. */
const busPrincipal = "bus"

const RequestInfo = Schema.fromJsonString(Schema.Struct({ acc: Schema.String.check(Schema.isMinLength(1)) }))
const decodeRequestInfo = Schema.decodeUnknownOption(RequestInfo)

export const consumerOf = ({
  caller,
  extra,
  header,
  reply
}: Pick<Asked, "caller" | "extra" | "header" | "reply">): Consumer => {
  if (extra !== null) return { by: "subject", name: extra }
  if (caller.principal !== busPrincipal) return { by: "bearer", subject: caller.principal }
  if (!reply.startsWith(importedReply)) return { by: "nothing" }
  return Option.match(decodeRequestInfo(header("Nats-Request-Info")), {
    onNone: (): Consumer => ({ by: "nothing" }),
    onSome: ({ acc }): Consumer => ({ by: "import", account: acc })
  })
}
