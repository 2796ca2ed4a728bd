/**
 * Short histories that provoke one fault each, for any build of the service: with the whole protocol
 * nothing may be wrong, and with a safeguard off the checker must say so.
 *
 * The second of two replicas is disturbed while tokens are changed through whichever replica takes the
 * request; about half of them are taken by the first, and those must not be answered from the second's
 * memory afterwards. Every answer that takes a right away is followed at once by validations on all
 * connections, and by more when the disturbance has ended.
 */
import { setTimeout as pause } from "node:timers/promises"
import { type Answer, type Client, connectClient } from "../support/client.ts"
import { eventually } from "../support/eventually.ts"
import { type AnswersChecked, checkAnswers } from "./answers.ts"
import { outcomeOf } from "./Changes.ts"
import { type ChangeKind, Recorder, type TokenInfo } from "./History.ts"
import { Load } from "./Load.ts"
import { leaseMs, type World } from "./World.ts"

export const scenarioNames = [
  "control connection cut",
  "apply messages lost",
  "repetitions while apply messages are lost",
  "removals while apply messages are lost",
  "row read before, arrived after"
] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** What a world needs for all of them: MariaDB is asked for every miss, so that a row can be late. */
export const scenarioEnvironment = { CM_KV_FIRST_MAX: "0" }

const standingTenant = "demo"
const overlapMs = 1_000
/** Each is changed through one of two replicas by chance: that the disturbed one takes them all is one case in 65,536. */
const tokensPerScenario = 16
const warmBursts = 6
const answerLimitMs = 120_000
const validateEveryMs = 50

class Stage {
  readonly recorder = new Recorder()
  readonly world: World
  readonly load: Load
  readonly clients: ReadonlyArray<Client>
  private readonly asked: Array<Promise<void>> = []

  constructor(world: World, load: (recorder: Recorder) => Load, clients: ReadonlyArray<Client>) {
    this.world = world
    this.load = load(this.recorder)
    this.clients = clients
  }

  get second() {
    return this.world.replicas[1]!
  }

  private names = 0
  private name(): string {
    return `s${Math.floor(performance.now() * 1_000).toString(36)}-${++this.names}`
  }

  async makeTenant(): Promise<string> {
    const made = this.name()
    const { status } = await this.clients[0]!.admin("tenants.create", { tenantId: made })
    if (status !== 201) throw new Error(`tenants.create: ${status}`)
    return made
  }

  async provision(count: number, tenantId: string = standingTenant): Promise<ReadonlyArray<TokenInfo>> {
    const client = this.clients[0]!
    const appName = this.name()
    await client.ask(tenantId, "application.register", { appName })
    return Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const value = `${appName}x${index}`
        const token = this.recorder.token({ tenantId, appName, endpointId: value, value, expiresAtMs: null })
        const change = this.recorder.begin("provision", { token: token.index })
        const answer = await client.ask(tenantId, "token.provision", { appName, endpointId: value, token: value })
        token.tokenId = answer.body.tokenId
        this.recorder.end(change, outcomeOf(answer), answer.body.version)
        return token
      })
    )
  }

  validate(tokens: ReadonlyArray<TokenInfo>, times = 1): void {
    for (let time = 0; time < times; time++) for (const token of tokens) this.load.burst(token)
  }

  /** Every replica has them in memory. */
  async warm(tokens: ReadonlyArray<TokenInfo>): Promise<void> {
    for (let time = 0; time < warmBursts; time++) {
      this.validate(tokens)
      await this.load.quiet()
    }
  }

  /** Asks for it, and validates as soon as it is answered. */
  change(kind: ChangeKind, about: TokenInfo, send: () => Promise<Answer> = () => this.transition(kind, about)): void {
    const ofApplication = kind === "remove-application"
    const ask = async () => {
      const change = this.recorder.begin(kind, {
        ...(ofApplication ? { appName: about.appName } : { token: about.index }),
        overlapMs: kind === "rotate-overlap" ? overlapMs : 0
      })
      const answer = await send().catch((error: unknown) => (error instanceof Error ? error : new Error("unknown")))
      const outcome = outcomeOf(answer)
      const version = answer instanceof Error || kind === "rotate-overlap" ? null : (answer.body.version ?? null)
      this.recorder.end(change, outcome, version)
      if (outcome === "done") this.validate([about], 2)
    }
    this.track(ask())
  }

  private transition(kind: ChangeKind, { tenantId, tokenId }: TokenInfo): Promise<Answer> {
    return this.clients[0]!.ask(tenantId, `token.${kind}`, { tokenId })
  }

  rotate(token: TokenInfo): void {
    const body = { tokenId: token.tokenId, overlap: `PT${overlapMs / 1_000}S` }
    this.change("rotate-overlap", token, () => this.clients[0]!.ask(token.tenantId, "token.rotate", body))
  }

  removeApplication(token: TokenInfo): void {
    const { appName, tenantId } = token
    this.change("remove-application", token, () => this.clients[0]!.ask(tenantId, "application.remove", { appName }))
  }

  /** Its application goes with it. */
  removeTenant(token: TokenInfo): void {
    const { tenantId } = token
    this.change("remove-application", token, () => this.clients[0]!.admin("tenants.remove", { tenantId }))
  }

  /** Asks about them again and again for a while. */
  async keepValidating(tokens: ReadonlyArray<TokenInfo>, milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds
    while (performance.now() < until) {
      this.validate(tokens)
      await pause(validateEveryMs)
    }
  }

  /** Changes that take nothing away: what is asked for behind them is committed together. */
  occupy(): void {
    for (let count = 0; count < 16; count++) {
      const asked = this.clients[0]!.ask(standingTenant, "application.register", { appName: this.name() })
      this.track(asked.then(() => {}))
    }
  }

  /** What became of the changes that are no provisioning, and of how many. */
  readonly outcomes = (): Readonly<Record<string, number>> => {
    const outcomes: Record<string, number> = {}
    for (const { kind, outcome } of this.recorder.changes) {
      if (kind !== "provision") outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    return outcomes
  }

  /** Some changes are answered, that it is so, while the disturbance lasts. */
  answers(count: number): Promise<unknown> {
    return eventually(this.outcomes, ({ done = 0 }) => done >= count, {
      limitMs: answerLimitMs,
      what: "answered changes"
    })
  }

  private track(asked: Promise<void>): void {
    // May fail: it is thrown when all are waited for, and not before.
    asked.catch(() => undefined)
    this.asked.push(asked)
  }

  async allAnswered(): Promise<void> {
    await Promise.all(this.asked)
  }

  /** The second replica has a lease that it took after this was called for the first time. */
  readonly leasesOfSecond = (): number => this.second.output().split("lease held").length - 1

  async holdsAgain(before: number): Promise<void> {
    await eventually(this.leasesOfSecond, (leases) => leases > before, {
      limitMs: answerLimitMs,
      what: "the second replica holding a lease again"
    })
  }
}

const disturbBus = (stage: Stage, fault: "cut" | "deafen"): void => {
  for (const cable of stage.second.busCables) cable.disturb(fault, "control")
}

/** Waits until the second has lost its lease and has it again, and asks about everything. */
const mendBus = async (stage: Stage, tokens: ReadonlyArray<TokenInfo>): Promise<void> => {
  const before = stage.leasesOfSecond()
  for (const cable of stage.second.busCables) cable.mend()
  await stage.holdsAgain(before)
  stage.validate(tokens, 2)
  await stage.load.quiet()
  await stage.allAnswered()
  stage.validate(tokens, 2)
  await stage.load.quiet()
}

const steps: Readonly<Record<ScenarioName, (stage: Stage) => Promise<void>>> = {
  "control connection cut": async (stage) => {
    const tokens = await stage.provision(tokensPerScenario)
    await stage.warm(tokens)
    disturbBus(stage, "cut")
    for (const token of tokens) stage.change("revoke", token)
    await stage.answers(1)
    await stage.load.quiet()
    stage.validate(tokens, 2)
    await mendBus(stage, tokens)
  },
  "apply messages lost": async (stage) => {
    const tokens = await stage.provision(2 * tokensPerScenario)
    const [revoked, rotated] = [tokens.slice(tokensPerScenario), tokens.slice(0, tokensPerScenario)]
    await stage.warm(tokens)
    disturbBus(stage, "deafen")
    for (const token of revoked) stage.change("revoke", token)
    for (const token of rotated) stage.rotate(token)
    await stage.answers(1)
    await stage.keepValidating(tokens, 1.5 * overlapMs)
    await mendBus(stage, tokens)
  },
  "repetitions while apply messages are lost": async (stage) => {
    const tokens = await stage.provision(tokensPerScenario)
    await stage.warm(tokens)
    disturbBus(stage, "deafen")
    stage.occupy()
    for (const token of tokens) for (let count = 0; count < 6; count++) stage.change("suspend", token)
    await stage.answers(1)
    await mendBus(stage, tokens)
  },
  "removals while apply messages are lost": async (stage) => {
    const ofStanding: Array<TokenInfo> = []
    const ofOthers: Array<TokenInfo> = []
    for (let count = 0; count < tokensPerScenario / 2; count++) {
      ofStanding.push(...(await stage.provision(1)))
      ofOthers.push(...(await stage.provision(1, await stage.makeTenant())))
    }
    const tokens = [...ofStanding, ...ofOthers]
    await stage.warm(tokens)
    disturbBus(stage, "deafen")
    for (const token of ofStanding) stage.removeApplication(token)
    for (const token of ofOthers) stage.removeTenant(token)
    await stage.answers(1)
    await mendBus(stage, tokens)
  },
  "row read before, arrived after": async (stage) => {
    const [covers, ...tokens] = await stage.provision(1 + tokensPerScenario)
    // The tenant is covered, and each lookup connection stands.
    await stage.warm([covers!])
    // Not the connections of changes: one that waits for its answer would keep the tenant's lock.
    stage.second.databaseCable.disturb("hold", "look-ups")
    stage.validate(tokens)
    await eventually(
      () => performance.now(),
      (now) => now > stage.recorder.changes.at(-1)!.answeredMs + leaseMs / 5,
      { what: "the rows being read" }
    )
    for (const token of tokens) stage.change("revoke", token)
    await stage.answers(1)
    stage.second.databaseCable.mend()
    await stage.load.quiet()
    await stage.allAnswered()
    stage.validate(tokens, 4)
    await stage.load.quiet()
  }
}

/** Plays one scenario on a world of two replicas and answers what the checker says of it. */
export const playScenario = async (name: ScenarioName, world: World): Promise<AnswersChecked> => {
  const { instance } = world
  const { natsUrl } = world.ground
  const clients = await Promise.all(Array.from({ length: 3 }, () => connectClient({ natsUrl, instance })))
  const stage = new Stage(
    world,
    (recorder) => new Load({ natsUrl, instance, recorder, random: () => 0, rate: 0 }),
    clients
  )
  await stage.load.start()
  await steps[name](stage)
  await stage.load.stop()
  await Promise.all(clients.map((client) => client.close()))
  return checkAnswers(stage.recorder)
}
