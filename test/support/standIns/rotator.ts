/**
 * A rotator on the bus with a system behind it: which secrets the system takes, and what is asked of the rotator.
 * It does as the contract says, unless a test tells it otherwise. It knows nothing of `src`.
 */
import { createCurve, fromCurveSeed } from "@nats-io/nkeys"
import { connect, type Msg } from "@nats-io/transport-node"

export interface RotatorStep {
  readonly tenantId: string
  readonly credential_id: string
  readonly generation: number
  readonly step: string
  readonly params: Record<string, string>
  readonly secrets: { readonly old?: Record<string, string>; readonly new?: Record<string, string> }
}

export interface RotatorStandIn {
  readonly sealTo: string
  /** Passwords that the system takes. */
  readonly live: Set<string>
  readonly steps: Array<RotatorStep>
  /** What it does in place of what it should; undefined: as it should. */
  readonly on: { misbehave?: ((step: RotatorStep, message: Msg) => boolean | Promise<boolean>) | undefined }
  /** Throws what went wrong in it, and in what a test told it to do. */
  readonly stop: () => Promise<void>
}

const text = new TextDecoder()

/** `as`: who it is on a bus that knows users; their inbox is under `_INBOX.<user>`. */
export const startRotator = async (
  natsUrl: string,
  instance: string,
  name: string,
  as?: { readonly user: string; readonly pass: string }
): Promise<RotatorStandIn> => {
  const pair = createCurve()
  const seed = pair.getSeed()
  const nc = await connect({
    servers: natsUrl,
    maxReconnectAttempts: -1,
    ...(as === undefined ? {} : { ...as, inboxPrefix: `_INBOX.${as.user}` })
  })
  const live = new Set<string>()
  const steps: Array<RotatorStep> = []
  const on: RotatorStandIn["on"] = {}
  const failures: Array<unknown> = []
  let made = 0
  const open = (box: { sealed: string; sealed_by: string } | undefined) => {
    if (box === undefined) return undefined
    const opened = fromCurveSeed(seed).open(Buffer.from(box.sealed, "base64"), box.sealed_by)
    if (!opened) throw new Error("not sealed for this rotator")
    return JSON.parse(text.decode(opened)) as Record<string, string>
  }
  const handle = async (message: Msg) => {
    const body = message.json<
      Omit<RotatorStep, "secrets"> & {
        readonly secrets: Record<string, { readonly sealed: string; readonly sealed_by: string } | undefined>
      }
    >()
    const [old, next] = [open(body.secrets.old), open(body.secrets.new)]
    const secrets = { ...(old === undefined ? {} : { old }), ...(next === undefined ? {} : { new: next }) }
    const step: RotatorStep = { ...body, secrets }
    steps.push(step)
    if (await on.misbehave?.(step, message)) return
    const say = (answer: unknown) => message.respond(JSON.stringify(answer))
    const password = secrets.new?.password ?? ""
    switch (step.step) {
      case "prepare": {
        const fresh = { ...secrets.old, password: `made-${name}-${++made}-${"x".repeat(24)}` }
        const asker = body.secrets.old!.sealed_by
        const ours = createCurve()
        const sealed = Buffer.from(ours.seal(Buffer.from(JSON.stringify(fresh)), asker)).toString("base64")
        return say({ ok: true, secrets: { new: { sealed, sealed_by: ours.getPublicKey() } } })
      }
      case "set":
        live.add(password)
        return say({ ok: true })
      case "test":
        return say(live.has(password) ? { ok: true } : { ok: false, permanent: true, reason: "not taken" })
      case "retire":
        live.delete(secrets.old?.password ?? "")
        return say({ ok: true })
      case "undo":
        live.delete(password)
        return say({ ok: true })
    }
  }
  nc.subscribe(`${instance}.rotators.v1.${name}.*`, {
    callback: (error, message) => {
      if (error === null) handle(message).catch((failure: unknown) => failures.push(failure))
    }
  })
  await nc.flush()
  const stop = async () => {
    await nc.drain()
    if (failures.length > 0) throw failures[0]
  }
  return { sealTo: pair.getPublicKey(), live, steps, on, stop }
}
