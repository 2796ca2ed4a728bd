/**
 * The rotator `webhook`: a service on the bus that does the steps. Contract 10.5.
 *
 * Asked on `{instance}.rotators.v1.<name>.<step>`; what is secret is sealed to the key that the rotator's entry
 * names, and what it answers is sealed to a key of ours that is made for this one question. An answer is bounded in
 * time and bytes, and whatever is wrong with it is a failure with a reason of ours.
 */
import { randomInt } from "node:crypto"
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Effect, Result } from "effect"
import type { CurveBox } from "../crypto/CurveBox.ts"
import { parseSecret, type Secret } from "../domain/CredentialShape.ts"
import { type Generate, generatedField, rotatorDetail } from "../domain/Rotator.ts"
import { done, failed, type StepAnswer, type StepQuestion } from "./RotatorStep.ts"

const answerBytesMax = 65_536
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

type Json = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const parse = (bytes: Uint8Array): Json | undefined => {
  if (bytes.length > answerBytesMax) return undefined
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
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
  const conversation = curveBox.conversation()
  const sealed = (value: Secret) => {
    const plaintext = encoder.encode(JSON.stringify(value))
    const box = { sealed: conversation.seal(definition.seal_to, plaintext), sealed_by: conversation.key }
    plaintext.fill(0)
    return box
  }
  const [old, next] = step === "retire" ? [secret, current] : [current, secret]
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
  const subject = `${instance}.rotators.v1.${rotator.name}.${step}`
  const asked = yield* Effect.result(
    request(connection, subject, encoder.encode(JSON.stringify(body)), Math.max(1, Math.min(timeoutMs, left)))
  )
  const answer = Result.isFailure(asked) ? asked.failure : read(asked.success, question, conversation.open)
  conversation.end()
  return answer
})

const read = (
  message: Msg,
  { current, secret, step, type }: StepQuestion,
  open: (sealed: string, from: string) => Uint8Array | null
): StepAnswer => {
  const malformed = (permanent: boolean) => failed("malformed_answer", permanent)
  const body = parse(message.data)
  if (body === undefined) return malformed(false)
  if (body.ok === false) {
    const { permanent, reason } = body
    const words = typeof reason === "string" ? rotatorDetail(reason, [current, secret]) : ""
    return failed("unknown", permanent === true, words)
  }
  if (body.ok !== true) return malformed(false)
  if (step !== "prepare") return done()
  const box = isObject(body.secrets) ? body.secrets.new : undefined
  if (!isObject(box) || typeof box.sealed !== "string" || typeof box.sealed_by !== "string") return malformed(true)
  const plaintext = open(box.sealed, box.sealed_by)
  const value = plaintext === null ? undefined : parse(plaintext)
  plaintext?.fill(0)
  if (value === undefined) return malformed(true)
  const parsed = parseSecret(type, value)
  return Result.isFailure(parsed) ? malformed(true) : done(parsed.success)
}
