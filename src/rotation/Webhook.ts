/**
 * The rotator `webhook`: a service on the bus that does the steps. Contract 10.5.
 *
 * Asked on `{instance}.rotators.v1.<name>.<step>`; what is secret is sealed to the key that the rotator's entry
 * names, and what it answers is sealed to a key of ours that is made for this one question. An answer is bounded in
 * time and bytes, and whatever is wrong with it is a failure with a reason of ours: one in which a key stands twice, or
 * whose secrets are not those that were sent, says nothing that can be relied on, so nobody knows what came of the step,
 * and it is asked for again.
 */
import { randomInt } from "node:crypto"
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Effect, Result } from "effect"
import type { CurveBox } from "../crypto/CurveBox.ts"
import { parseSecret, type Secret } from "../domain/CredentialShape.ts"
import { type Generate, generatedField, rotatorDetail } from "../domain/Rotator.ts"
import { parseJson } from "../schema/JsonText.ts"
import { done, failed, type StepAnswer, type StepQuestion } from "./RotatorStep.ts"

const answerBytesMax = 65_536
const encoder = new TextEncoder()

type Json = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** Undefined: no object that every parser reads alike. */
const parse = (bytes: Uint8Array): Json | undefined => {
  if (bytes.length > answerBytesMax) return undefined
  const parsed = parseJson(bytes)
  return Result.isSuccess(parsed) && isObject(parsed.success.value) ? parsed.success.value : undefined
}

/** Each character by chance, without a bias. */
export const generated = ({ alphabet, length }: Generate): string =>
  Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("")

const request = (connection: NatsConnection, subject: string, payload: Uint8Array, timeoutMs: number) =>
  Effect.tryPromise({
    try: () => connection.request(subject, payload, { timeout: timeoutMs }),
    catch: (cause): StepAnswer => {
      const name = (cause as { readonly name?: string } | null)?.name
      return failed(name === "TimeoutError" ? "timeout" : "provider_down", false)
    }
  })

export const webhook = Effect.fnUntraced(function* (
  question: StepQuestion,
  options: {
    readonly connection: NatsConnection
    readonly instance: string
    readonly curveBox: CurveBox["Service"]
    readonly timeoutMs: number
  }
): Effect.fn.Return<StepAnswer> {
  const { connection, curveBox, instance, timeoutMs } = options
  const { credentialId, current, generation, mayBegin, rotator, secret, step, tenantId, use } = question
  const definition = rotator.entry?.definition
  if (definition === undefined) return failed("unknown", true)
  if (step === "prepare" && definition.generate !== undefined) {
    const field = generatedField(question.type, new Set(Object.keys(current)))
    return field === undefined ? failed("unknown", true) : done({ ...current, [field]: generated(definition.generate) })
  }
  const left = yield* mayBegin
  if (left === null) return { _tag: "Late" }
  const [old, next] = step === "retire" ? [secret, current] : [current, secret]
  const subject = `${instance}.rotators.v1.${rotator.name}.${step}`
  return yield* Effect.acquireUseRelease(
    Effect.sync(curveBox.conversation),
    (conversation) =>
      Effect.suspend(() => {
        const sealed = (value: Secret) => {
          const plaintext = encoder.encode(JSON.stringify(value))
          const box = { sealed: conversation.seal(definition.seal_to, plaintext), sealed_by: conversation.key }
          plaintext.fill(0)
          return box
        }
        const body = {
          tenantId,
          credential_id: credentialId,
          generation,
          step,
          params: use.params,
          secrets: {
            ...(old === null ? {} : { old: sealed(old) }),
            ...(next === null ? {} : { new: sealed(next) })
          }
        }
        const payload = encoder.encode(JSON.stringify(body))
        return Effect.match(request(connection, subject, payload, Math.max(1, Math.min(timeoutMs, left))), {
          onFailure: (answer) => answer,
          onSuccess: (message) => read(message, question, { old, new: next }, conversation.open)
        })
      }),
    (conversation) => Effect.sync(conversation.end)
  )
})

interface Sent extends Readonly<Record<string, Secret | null>> {
  readonly old: Secret | null
  readonly new: Secret | null
}
type Open = (sealed: string, from: string) => Uint8Array | null

/** What is sealed in an answer. Undefined: no secret of this type that can be opened. */
const opened = (box: unknown, type: string, open: Open): Secret | undefined => {
  if (!isObject(box) || typeof box.sealed !== "string" || typeof box.sealed_by !== "string") return undefined
  const plaintext = open(box.sealed, box.sealed_by)
  const value = plaintext === null ? undefined : parse(plaintext)
  plaintext?.fill(0)
  const secret = value === undefined ? undefined : parseSecret(type, value)
  return secret === undefined || Result.isFailure(secret) ? undefined : secret.success
}

const isSame = (one: Secret | undefined, other: Secret | null | undefined): boolean => {
  if (one === undefined || other == null) return false
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
}

/** An answer to another step than `prepare` makes no secret; one that it names all the same is one that was sent. */
const namesOnlySent = (said: unknown, sent: Sent, type: string, open: Open) =>
  said === undefined ||
  said === null ||
  (isObject(said) &&
    Object.entries(said).every(
      ([name, box]) => Object.hasOwn(sent, name) && isSame(opened(box, type, open), sent[name])
    ))

const read = (message: Msg, { current, secret, step, type }: StepQuestion, sent: Sent, open: Open): StepAnswer => {
  const malformed = (permanent: boolean) => failed("malformed_answer", permanent)
  const body = parse(message.data)
  if (body === undefined) return malformed(false)
  if (body.ok === false) {
    const { permanent, reason } = body
    const words = typeof reason === "string" ? rotatorDetail(reason, [current, secret]) : ""
    return failed("unknown", permanent === true, words)
  }
  if (body.ok !== true) return malformed(false)
  if (step !== "prepare") return namesOnlySent(body.secrets, sent, type, open) ? done() : malformed(false)
  const made = opened(isObject(body.secrets) ? body.secrets.new : undefined, type, open)
  return made === undefined ? malformed(true) : done(made)
}
