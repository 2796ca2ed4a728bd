/**
 * Callers that change tokens at random, several at once, and write down what they were told.
 *
 * A token is changed by one caller at a time, but the same change is often asked for twice at once on
 * two connections, as the repetition of an idempotent request or plainly ("already so"): both answers say
 * that it is so. What stays open is asked for again.
 */
import { setTimeout as pause } from "node:timers/promises"
import type { Answer, Client } from "../support/client.ts"
import type { Change, ChangeKind, Outcome, Recorder, TokenInfo } from "./History.ts"
import type { Load } from "./Load.ts"
import { tenants } from "./World.ts"

export interface ChangesOptions {
  readonly clients: ReadonlyArray<Client>
  readonly recorder: Recorder
  readonly load: Load
  readonly random: () => number
  readonly callers: number
  /** Milliseconds that a caller waits between two changes, at most. */
  readonly restMs: number
}

interface Application {
  readonly tenantId: string
  readonly appName: string
}

type State = "live" | "suspended" | "gone" | "unsure"

const applicationsWanted = 4
const liveWanted = 120
/** Once in so many changes an application goes. */
const removalShare = 0.02
const repeatShare = 0.35
const askedAgainMax = 3

/** What an answer says of a change. */
export const outcomeOf = (answer: Answer | Error): Outcome => {
  if (answer instanceof Error) return /no responders/iu.test(answer.message) ? "refused" : "unknown"
  const { body, code, status } = answer
  if (status === 200 || status === 201) return "done"
  if (code === "NOT_YET_IN_FORCE") return "late"
  if (status === 503) return body?.error?.details?.committed === false ? "refused" : "unknown"
  return status >= 500 ? "unknown" : "refused"
}

export class Changes {
  private readonly options: ChangesOptions
  private readonly states = new Map<TokenInfo, State>()
  private readonly busy = new Set<TokenInfo>()
  private applications: Array<Application> = []
  private names = 0
  /** Rounds follow each other on one world: no name comes twice. */
  private readonly prefix: string
  private isRunning = true
  private callers: ReadonlyArray<Promise<void>> = []

  constructor(options: ChangesOptions) {
    this.options = options
    this.prefix = Math.floor(options.random() * 2 ** 40).toString(36)
  }

  async start(): Promise<void> {
    for (let count = 0; count < applicationsWanted; count++) await this.register()
    this.callers = Array.from({ length: this.options.callers }, () => this.call())
  }

  async stop(): Promise<void> {
    this.isRunning = false
    await Promise.all(this.callers)
  }

  // ---- one caller -----------------------------------------------------------------

  private async call(): Promise<void> {
    const { random, restMs } = this.options
    while (this.isRunning) {
      await this.step()
      await pause(random() * restMs)
    }
  }

  private step(): Promise<unknown> {
    const { random } = this.options
    if (this.applications.length < applicationsWanted) return this.register()
    const chance = random()
    if (chance < removalShare) return this.removeApplication()
    if (this.options.load.live.size < liveWanted * random()) return this.provision(null)
    if (chance < 0.1) return this.provision(Date.now() + 1_000 + Math.floor(random() * 3_000))
    const token = this.pick(chance < 0.25 ? "suspended" : "live")
    if (token === undefined) return this.provision(null)
    this.busy.add(token)
    return this.change(token, chance).finally(() => this.busy.delete(token))
  }

  private change(token: TokenInfo, chance: number): Promise<unknown> {
    if (this.states.get(token) === "suspended") {
      return chance < 0.2 ? this.transition("activate", token, "live") : this.transition("revoke", token, "gone")
    }
    if (chance < 0.5) return this.transition("suspend", token, "suspended")
    if (chance < 0.62) return this.transition("revoke", token, "gone")
    if (chance < 0.68) return this.revokeByValue(token)
    if (chance < 0.78) return this.remove(token)
    return this.rotate(token, chance < 0.9 ? 0 : 1_000)
  }

  private pick(state: State): TokenInfo | undefined {
    const { load, random } = this.options
    const candidates = [...load.live].filter((token) => this.states.get(token) === state && !this.busy.has(token))
    return candidates[Math.floor(random() * candidates.length)]
  }

  private settle(token: TokenInfo, state: State): void {
    this.states.set(token, state)
    if (state === "gone") this.options.load.live.delete(token)
    else this.options.load.live.add(token)
    this.options.load.touch(token)
  }

  // ---- asking ---------------------------------------------------------------------

  private client(): Client {
    const { clients, random } = this.options
    return clients[Math.floor(random() * clients.length)]!
  }

  /** Asks, perhaps twice at once, and again while it stays open. Each time is a change of its own in the history. */
  private async ask(
    begin: () => Change,
    send: (key: string) => Promise<Answer>,
    learn: (answer: Answer, change: Change) => number | null
  ): Promise<Outcome> {
    const key = `${this.prefix}-${++this.names}`
    const once = async (): Promise<Outcome> => {
      const change = begin()
      const answer = await send(key).catch((error: unknown) => (error instanceof Error ? error : new Error("unknown")))
      const outcome = outcomeOf(answer)
      const version = answer instanceof Error || outcome !== "done" ? null : learn(answer, change)
      this.options.recorder.end(change, outcome, version)
      if (outcome === "done" && change.kind !== "provision" && change.kind !== "activate") this.probe(change)
      return outcome
    }
    let outcomes = await Promise.all(this.options.random() < repeatShare ? [once(), once()] : [once()])
    for (let times = 0; times < askedAgainMax && !outcomes.includes("done") && this.isRunning; times++) {
      if (outcomes.every((outcome) => outcome === "refused")) return "refused"
      outcomes = [await once()]
    }
    return outcomes.includes("done") ? "done" : "unknown"
  }

  /** Validates at once what an answer has just said to be gone. */
  private probe(change: Change): void {
    const { load, recorder } = this.options
    const about =
      change.kind === "remove-application"
        ? recorder.tokens.filter(({ appName }) => appName === change.appName).slice(-20)
        : [recorder.tokens[change.token]!]
    for (const token of about) {
      load.touch(token)
      load.burst(token)
    }
  }

  private async transition(kind: "suspend" | "activate" | "revoke", token: TokenInfo, then: State): Promise<void> {
    const outcome = await this.ask(
      () => this.options.recorder.begin(kind, { token: token.index }),
      (key) =>
        this.client().ask(
          token.tenantId,
          `token.${kind}`,
          { tokenId: token.tokenId },
          this.options.random() < 0.5 ? { "Idempotency-Key": key } : {}
        ),
      ({ body }) => body.version
    )
    if (outcome !== "refused") this.settle(token, outcome === "done" ? then : "unsure")
    else if (token.expiresAtMs !== null) this.settle(token, "gone")
  }

  private async revokeByValue(token: TokenInfo): Promise<void> {
    const { recorder } = this.options
    const change = recorder.begin("revoke", { token: token.index })
    const code = await this.client()
      .transition(token.appName, token.value, "Revoked")
      .then(
        ({ statusCode }) => statusCode,
        () => 0
      )
    recorder.end(change, code === 200 ? "done" : code >= 400 && code < 500 ? "refused" : "unknown")
    if (code === 200) this.probe(change)
    this.settle(token, code === 200 ? "gone" : "unsure")
  }

  private async remove(token: TokenInfo): Promise<void> {
    const begin = () => this.options.recorder.begin("delete", { token: token.index })
    const withKey = this.options.random() < 0.5
    const outcome = await this.ask(
      begin,
      async (key) => {
        const answer = await this.client().ask(
          token.tenantId,
          "token.delete",
          { tokenId: token.tokenId },
          withKey ? { "Idempotency-Key": key } : {}
        )
        // It was there, so "there is none" says that it is gone.
        return answer.status === 404 ? { ...answer, status: 200 } : answer
      },
      () => null
    )
    this.settle(token, outcome === "done" ? "gone" : "unsure")
  }

  private async rotate(token: TokenInfo, overlapMs: number): Promise<void> {
    const { recorder } = this.options
    const kind: ChangeKind = overlapMs === 0 ? "rotate" : "rotate-overlap"
    const { appName, endpointId, expiresAtMs, tenantId } = token
    const successor = recorder.token({ tenantId, appName, endpointId, value: this.value(), expiresAtMs })
    const outcome = await this.ask(
      () => recorder.begin(kind, { token: token.index, successor: successor.index, overlapMs }),
      (key) =>
        this.client().ask(
          tenantId,
          "token.rotate",
          { tokenId: token.tokenId, overlap: `PT${overlapMs / 1_000}S`, token: successor.value },
          { "Idempotency-Key": key }
        ),
      ({ body }) => {
        successor.tokenId = body.tokenId
        return null
      }
    )
    if (outcome === "refused") return
    this.settle(token, outcome === "done" ? "gone" : "unsure")
    if (outcome === "done") this.settle(successor, "live")
  }

  private async provision(expiresAtMs: number | null): Promise<void> {
    const { random, recorder } = this.options
    const application = this.applications[Math.floor(random() * this.applications.length)]!
    const { appName, tenantId } = application
    const endpointId = `e-${this.prefix}-${++this.names}`
    const token = recorder.token({ tenantId, appName, endpointId, value: this.value(), expiresAtMs })
    const outcome = await this.ask(
      () => recorder.begin("provision", { token: token.index }),
      (key) =>
        this.client().ask(
          tenantId,
          "token.provision",
          {
            appName,
            endpointId,
            token: token.value,
            ...(expiresAtMs === null ? {} : { expiresDate: new Date(expiresAtMs).toISOString() })
          },
          { "Idempotency-Key": key }
        ),
      ({ body }) => {
        token.tokenId = body.tokenId
        return body.version
      }
    )
    if (outcome !== "done") return
    this.settle(token, "live")
    // Its first use.
    this.options.load.burst(token)
  }

  // ---- applications -----------------------------------------------------------------

  private value(): string {
    return `${this.prefix}x${++this.names}`
  }

  private async register(): Promise<void> {
    const tenantId = tenants[++this.names % tenants.length]!
    const appName = `${this.prefix}-${this.names}`
    // May fail: what it asks is killed; it is counted only when it answers.
    const answer = await this.client()
      .ask(tenantId, "application.register", { appName })
      .catch(() => null)
    if (answer?.status === 200 || answer?.status === 201) this.applications.push({ tenantId, appName })
  }

  private async removeApplication(): Promise<void> {
    const { recorder } = this.options
    const [application] = this.applications.splice(Math.floor(this.options.random() * this.applications.length), 1)
    if (application === undefined) return
    const { appName, tenantId } = application
    const change = recorder.begin("remove-application", { appName })
    const answer = await this.client()
      .ask(tenantId, "application.remove", { appName })
      .catch((error: unknown) => (error instanceof Error ? error : new Error("unknown")))
    recorder.end(change, outcomeOf(answer))
    if (change.outcome === "done") this.probe(change)
    for (const token of recorder.tokens) if (token.appName === appName) this.settle(token, "gone")
  }
}
