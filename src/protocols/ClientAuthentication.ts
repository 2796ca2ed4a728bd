/**
 * The client half of 16/ECAP, and 22/CAP: are a client's username and password good, or its certificate?
 *
 * Anyone whom the bus lets ask may ask, as with tokens. A question is decoded, checked and handed to
 * `ClientChecks`; what is hot is answered in the callback of the bus. Nothing of a question is logged.
 *
 * A question about a hot certificate builds nothing, as one about a hot token does: it has the shape of that
 * one (two texts behind the envelope), is read where it lies, and its answer is a copy behind the echoed
 * correlation id. Whatever is not answered so goes the long way, which decides the same.
 *
 * Source: contract, sections 2.1 and 2.2.
 */
import type { Msg } from "@nats-io/transport-node"
import { Clock, Effect, Layer } from "effect"
import { ClientChecks } from "../actors/clients/ClientChecks.ts"
import * as HeldRefusals from "../actors/tenant/HeldRefusals.ts"
import { LongRequests } from "../actors/tenant/LongRequests.ts"
import { type ClientAnswer, refusal } from "../domain/ClientCredential.ts"
import { Nats } from "../nats/Nats.ts"
import { makeCounters } from "../observability/Metrics.ts"
import { Replica } from "../observability/Replica.ts"
import { RequestFrame } from "../schema/EcapFrame.ts"
import { ResponseWriter } from "../schema/EcapReply.ts"
import { type ClientMessage, clientMessages, type Envelope } from "./ClientMessages.ts"
import * as InFlight from "./InFlight.ts"
import { Micro } from "./Micro.ts"
import { ProtocolsConfig } from "./ProtocolsConfig.ts"
import { type ReplyTo, replyRule, replyTo, send } from "./Responder.ts"
import { serviceSubject } from "./Subject.ts"
import { listen, type NotTaken } from "./Subscription.ts"

const flushTimeout = "2 seconds"
const noEnvelope: Envelope = { correlationId: "", timestamp: 0n, timeout: 0n }

/** Statuses of a proper verdict; any other one counts as an error. */
const isVerdict = (statusCode: number): boolean => statusCode === 200 || statusCode === 401

/** What a question that came at `now` is answered without being asked, or null. */
export const refusedAtOnce = (envelope: Envelope, isQuestion: boolean, now: number): ClientAnswer | null => {
  if (!isQuestion || envelope.timeout < 0n) return refusal(400)
  const isLate = envelope.timeout > 0n && BigInt(now) > envelope.timestamp + envelope.timeout
  return isLate ? refusal(408) : null
}

/** The bytes of an empty correlation id and of no time, before what an answer always says. */
const beforeTail = 2
/** Answers given at once are timed one in so many; the rest take the time last seen. */
const sampleEvery = 16
const latin1 = (bytes: Uint8Array, start: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start).toString("latin1")

const serve = Effect.fnUntraced(function* ({ protocol, read, type, write }: ClientMessage) {
  const { instance } = yield* Replica
  const nats = yield* Nats
  const micro = yield* Micro
  const checks = yield* ClientChecks
  const { drainTimeout, requestsInFlightMax } = yield* ProtocolsConfig
  const clock = yield* Clock.Clock
  const counters = yield* makeCounters
  const rule = replyRule(nats.inboxPrefix)
  const inFlight = InFlight.make(requestsInFlightMax)
  const long = new LongRequests()
  const refusals = yield* HeldRefusals.make
  const subject = serviceSubject(instance, protocol, type)
  const name = `${protocol}-${type.replace(/-request$/u, "")}`
  const endpoint = micro.endpoint({ protocol, name, subject, metadata: { format: "avro" } })

  const respond = (
    to: Pick<ReplyTo, "respond">,
    { correlationId }: Envelope,
    answer: ClientAnswer,
    startedAt: bigint
  ): void => {
    const envelope = { correlationId, timestamp: BigInt(clock.currentTimeMillisUnsafe()), timeout: 0n }
    const sent =
      send(to, write(envelope, answer)) ||
      // The echoed id alone can make an answer larger than the request that just fitted.
      send(to, write({ ...envelope, correlationId: "" }, answer))
    if (!sent) counters.dropped(protocol, "answer_not_sent")
    const { statusCode } = answer
    const nanoseconds = Number(clock.monotonicTimeNanosUnsafe() - startedAt)
    endpoint.record(statusCode, nanoseconds, isVerdict(statusCode) ? undefined : `${statusCode}: no verdict`)
  }

  /** What is over a limit is told so a moment later. */
  const tell = (to: ReplyTo, { correlationId }: Envelope, answer: ClientAnswer, startedAt: bigint): void => {
    const once = () => respond(to, { ...noEnvelope, correlationId }, answer, startedAt)
    if (answer.statusCode === 429) refusals.hold(to.bytes + Buffer.byteLength(correlationId), once)
    else once()
  }

  // ---- hot certificates
  const asksCertificate = type.includes("certificate")
  const frame = new RequestFrame()
  const writer = new ResponseWriter()
  /** Of each answer that was given, what stands behind its time. */
  const tails = new WeakMap<ClientAnswer, Uint8Array>()
  let taken = 0
  let lastNanoseconds = 0
  const tailOf = (answer: ClientAnswer): Uint8Array => {
    const known = tails.get(answer)
    if (known !== undefined) return known
    const tail = write(noEnvelope, answer).subarray(beforeTail)
    tails.set(answer, tail)
    return tail
  }
  /** Whether the question was answered. */
  const answeredAtOnce = (message: Msg): boolean => {
    const { data } = message
    if (!frame.read(data) || !frame.keyCanonical || frame.timeoutIsNegative()) return false
    const now = clock.currentTimeMillisUnsafe()
    if (frame.hasPassed(now)) return false
    const startedAt = taken++ % sampleEvery === 0 ? clock.monotonicTimeNanosUnsafe() : null
    const answer = checks.hotCertificateUnsafe(latin1(data, frame.keyStart))
    if (answer === undefined) return false
    if (answer.statusCode === 429) {
      const envelope = read(data)?.envelope ?? noEnvelope
      tell(replyTo(nats.validation, message), envelope, answer, clock.monotonicTimeNanosUnsafe())
      return true
    }
    const tail = tailOf(answer)
    const bytes = writer.write(data, frame.correlationStart, frame.correlationEnd, now, tail, 0, tail.length)
    if (!send(message, bytes) && !send(message, write({ ...noEnvelope, timestamp: BigInt(now) }, answer))) {
      counters.dropped(protocol, "answer_not_sent")
    }
    if (startedAt !== null) lastNanoseconds = Number(clock.monotonicTimeNanosUnsafe() - startedAt)
    const { statusCode } = answer
    endpoint.record(statusCode, lastNanoseconds, isVerdict(statusCode) ? undefined : `${statusCode}: no verdict`)
    return true
  }

  const take = (message: Msg): void => {
    const reply = rule(message.reply)
    if (reply !== "allowed") {
      counters.dropped(protocol, reply === "missing" ? "no_reply_subject" : "reply_subject_refused")
      return
    }
    if (asksCertificate && answeredAtOnce(message)) return
    const startedAt = clock.monotonicTimeNanosUnsafe()
    const asked = read(message.data)
    if (asked === null) {
      respond(message, noEnvelope, refusal(400), startedAt)
      return
    }
    const { envelope, question } = asked
    const refused = refusedAtOnce(envelope, question !== null, clock.currentTimeMillisUnsafe())
    if (refused !== null || question === null) {
      respond(message, envelope, refused ?? refusal(400), startedAt)
      return
    }
    const to = replyTo(nats.validation, message)
    const { length } = message.data
    const hasRoom = long.enter(length)
    if (!hasRoom || !inFlight.enter()) {
      if (hasRoom) long.leave(length)
      tell(to, envelope, refusal(429), startedAt)
      return
    }
    const done = (answer: ClientAnswer) => {
      inFlight.leave()
      long.leave(length)
      tell(to, envelope, answer, startedAt)
    }
    const { timeout, timestamp } = envelope
    const untilMs = timeout > 0n ? Number(timestamp + timeout) : null
    if (question.kind === "basic") checks.passwordUnsafe({ ...question, untilMs }, done)
    else checks.certificateUnsafe(question.issuer, question.serialNumber, done)
  }

  const notTaken = (message: Msg, why: NotTaken): void => {
    counters.dropped(protocol, why)
    if (rule(message.reply) !== "allowed") return
    respond(message, noEnvelope, refusal(why === "bug" ? 500 : 400), clock.monotonicTimeNanosUnsafe())
  }

  yield* Effect.addFinalizer(() =>
    Effect.andThen(refusals.end, inFlight.idle).pipe(
      Effect.timeoutOrElse({
        duration: drainTimeout,
        orElse: () => Effect.logError("client checks were left without an answer", { count: inFlight.count() })
      }),
      Effect.andThen(
        Effect.promise(() => nats.validation.flush().catch(() => undefined)).pipe(
          Effect.timeoutOrElse({ duration: flushTimeout, orElse: () => Effect.void })
        )
      )
    )
  )
  yield* listen({ connection: nats.validation, subject, queue: instance, take, notTaken })
})

export const layer = Layer.effectDiscard(Effect.forEach(clientMessages, serve, { discard: true }))
