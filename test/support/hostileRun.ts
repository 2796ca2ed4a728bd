/**
 * A hostile run: volleys of messages that should not be, at every subject, by the least user of the shipped
 * nats.conf that may publish there; beside them four observers that must see nothing but right answers in time;
 * and after each volley a look at what must not have changed.
 *
 * What it finds wrong is a list of sentences; it is empty when nobody was harmed.
 */
import { readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import type { NatsConnection } from "@nats-io/transport-node"
import * as ecap from "./ecap.ts"
import { eventually } from "./eventually.ts"
import { type FreshDatabase, freshDatabase } from "./freshDatabase.ts"
import { hostileMessage, hostileTargets, hostileText, transitionOf, unregisteredOf } from "./hostileMessages.ts"
import { type RawClient, rawClient } from "./rawClient.ts"
import { type Service, startService } from "./service.ts"
import { type ShippedBus, startShippedBus } from "./shippedBus.ts"

const attackers = ["mail", "admin", "comms", "operator", "platform"] as const
const tenants = ["demo", "other"] as const
const volleyMessages = 200
/** Later than this, an answer is a wrong one. Generous: the machine may be busy with other things. */
const inTimeMs = 60_000
/** Between two turns of an observer: who asks without a pause keeps the processor from the volleys. */
const turnEveryMs = 10
/** By how much the process may have grown: what a burst leaves to the garbage collector is no leak. */
const growthMax = 400 * 1_048_576

export interface HostileWorld {
  readonly bus: ShippedBus
  readonly service: Service
  readonly users: Readonly<Record<string, NatsConnection>>
  readonly stop: () => Promise<void>
}

const text = (value: unknown): string => JSON.stringify(value)

export const startHostileWorld = async (databaseUrl: string, cwd?: string): Promise<HostileWorld> => {
  const bus = await startShippedBus()
  const database: FreshDatabase = await freshDatabase(databaseUrl)
  const service = await startService({
    natsUrl: bus.url,
    databaseUrl: database.url,
    ...(cwd === undefined ? {} : { cwd }),
    env: { NATS_USER: "service", NATS_PASSWORD: String(bus.passwords.service), CM_DEV_TENANTS: tenants.join(",") }
  })
  const names = ["admin", "comms", "mail", "operator", "platform"]
  const users = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await bus.as(name)] as const)))
  const stop = async () => {
    for (const nc of Object.values(users)) await nc.close()
    await service.stop()
    await bus.stop()
    await database.drop()
  }
  return { bus, service, users, stop }
}

interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: whoever asks knows what should come back
  readonly body: any
}

const ask = async (nc: NatsConnection, subject: string, body: unknown): Promise<Answer> => {
  const message = await nc.request(subject, text(body), { timeout: inTimeMs })
  return { status: Number(message.headers?.get("Cm-Status")), body: message.json() }
}

const validate = async (nc: NatsConnection, token: string): Promise<number> => {
  const request = { correlationId: "o", timestamp: 1, timeout: 0, appName: "app", token }
  const subject = "kaa.v1.service.cm.ecap.ep-token-request"
  const { data } = await nc.request(subject, ecap.ValidationRequest.toBuffer(request), { timeout: inTimeMs })
  return (ecap.ValidationResponse.fromBuffer(Buffer.from(data)) as ecap.Validated).statusCode
}

const transitionSubject = "kaa.v1.service.cm.ecap.ep-token-status-transition-request"
const unregisteredSubject = "kaa.v1.events.epr-cm.endpoint.lifecycle.unregistered"

const provision = async (admin: NatsConnection, endpointId: string) => {
  const { body, status } = await ask(admin, "cm.v1.demo.token.provision", { appName: "app", endpointId })
  if (status !== 201) throw new Error(`provision: ${status} ${text(body)}`)
  return body as { readonly token: string; readonly tokenId: string }
}

/** Who uses the service meanwhile. Each call is one turn; null when everything was right. */
const observers = async ({ users }: HostileWorld) => {
  const { admin, comms, mail, platform } = users as Record<string, NatsConnection>
  for (const tenant of tenants) {
    const appName = tenant === "demo" ? "app" : `app-${tenant}`
    await ask(admin!, `cm.v1.${tenant}.application.register`, { appName })
  }
  const good = await provision(admin!, "good")
  const stored = await ask(admin!, "cm.v1.demo.credential.store", {
    service_name: "observed",
    type: "basic",
    credentials: { username: "u", password: "the-right-one" },
    allowed_consumers: ["mail"]
  })
  const revoked = new Set<string>()
  comms!.subscribe("kaa.v1.events.cm.endpoint.token.revoked", {
    callback: (_, { data }) => {
      const { tokenIds } = ecap.RevokedEvent.fromBuffer(Buffer.from(data)) as {
        readonly tokenIds: ReadonlyArray<string>
      }
      for (const tokenId of tokenIds) revoked.add(tokenId)
    }
  })
  let turn = 0
  const heardOf = (tokenId: string) =>
    eventually(() => revoked.has(tokenId), Boolean, { limitMs: inTimeMs, what: "the revocation event" })
  return {
    validation: async () => {
      const status = await validate(comms!, good.token)
      return status === 200 ? null : `a good token is ${status}`
    },
    "status transition": async () => {
      const { token, tokenId } = await provision(admin!, `t${turn++}`)
      const { data } = await admin!.request(transitionSubject, transitionOf(token, "o"), { timeout: inTimeMs })
      const { statusCode } = ecap.TransitionResponse.fromBuffer(Buffer.from(data)) as { readonly statusCode: number }
      if (statusCode !== 200) return `a transition is ${statusCode}`
      const after = await validate(comms!, token)
      if (after !== 410) return `a revoked token is ${after}`
      await heardOf(tokenId)
      return null
    },
    "unregistered endpoint": async () => {
      const endpointId = `u${turn++}`
      const { token } = await provision(admin!, endpointId)
      platform!.publish(unregisteredSubject, unregisteredOf(endpointId, "o"))
      await eventually(
        () => validate(comms!, token),
        (status) => status === 404,
        { limitMs: inTimeMs, what: "an unregistered endpoint without tokens" }
      )
      return null
    },
    "secret read": async () => {
      const subject = "cm.v1.demo.credential.get.mail"
      const { body, status } = await ask(mail!, subject, { credential_id: stored.body.credential_id })
      return status === 200 && body.credentials.password === "the-right-one" ? null : `a secret read is ${status}`
    }
  }
}

const residentBytes = (pid: number): number =>
  1_024 * Number(/^VmRSS:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)

/** What must be so after each volley. */
const lookAround = async ({ service, users }: HostileWorld): Promise<ReadonlyArray<string>> => {
  const wrong: Array<string> = []
  const { admin, operator } = users as Record<string, NatsConnection>
  const ready = await eventually(
    () => ask(operator!, "cm.admin.v1.ready", {}),
    ({ status }) => status === 200,
    { limitMs: inTimeMs, what: "the service being ready" }
  ).catch((error: unknown) => `${error}`)
  if (typeof ready === "string") wrong.push(ready)
  for (const tenant of [...tenants, "global"]) {
    const { body, status } = await ask(admin!, `cm.v1.${tenant}.audit.verify`, {})
    if (status !== 200 || body.valid !== true) wrong.push(`audit.verify of ${tenant}: ${status} ${text(body)}`)
  }
  const aside = await ask(operator!, "cm.admin.v1.outbox.list", {})
  if (aside.status !== 200 || aside.body.content.length > 0) {
    wrong.push(`events were set aside: ${aside.status} ${text(aside.body).slice(0, 300)}`)
  }
  const bug = /^.*(?:"level":"fatal"|met a bug|the handling of a message failed|a defect in|reader closed).*$/mu.exec(
    service.output()
  )
  if (bug !== null) wrong.push(`in the log: ${bug[0].slice(0, 600)}`)
  return wrong
}

const attackerOf = (bus: ShippedBus, user: string): Promise<RawClient> =>
  rawClient({ port: bus.server.port, user, password: bus.passwords[user]! })

export interface HostileOptions {
  readonly seconds: number
  /** Ends after so many, though there is time left. */
  readonly volleysMax?: number
  readonly random: () => number
  /** Heard after each volley. */
  readonly said?: (line: string) => void
}

export interface HostileResult {
  readonly volleys: number
  readonly messages: number
  readonly answers: number
  readonly observed: Readonly<Record<string, number>>
  readonly wrong: ReadonlyArray<string>
}

/** Ends with the first volley after which something is wrong, or when its time is over or there were enough. */
export const hostileRun = async (world: HostileWorld, options: HostileOptions): Promise<HostileResult> => {
  const { random, said = () => {}, seconds, volleysMax = Number.POSITIVE_INFINITY } = options
  const { bus, service, users } = world
  const targets = hostileTargets(tenants)
  const raw: Record<string, RawClient> = {}
  const wrong: Array<string> = []
  const observed: Record<string, number> = {}
  let messages = 0
  let answers = 0
  let goesOn = true

  const observing = Object.entries(await observers(world)).map(async ([what, look]) => {
    while (goesOn) {
      const problem = await look().catch((error: unknown) => `${error}`)
      if (problem !== null) wrong.push(`${what}: ${problem}`)
      observed[what] = (observed[what] ?? 0) + 1
      await pause(turnEveryMs)
    }
  })

  const clientOf = async (user: string): Promise<RawClient> => {
    // A server lets nobody go on who breaks its protocol.
    if (raw[user] === undefined || raw[user].isClosed()) raw[user] = await attackerOf(bus, user)
    return raw[user]
  }
  const takeAnswers = () => {
    for (const [user, client] of Object.entries(raw)) {
      for (const { data, headers } of client.takeAnswers()) {
        answers++
        if (/^Cm-Status: 500\r?$/mu.test(headers)) wrong.push(`to ${user}: 500 ${data.toString().slice(0, 300)}`)
      }
    }
  }
  /** Right messages but for one text: what they do has consequences, in which the text may stand. */
  const nearlyRight = async (volley: number) => {
    const [one, two] = [await provision(users.admin!, `v${volley}`), await provision(users.admin!, `w${volley}`)]
    const long = [8_388_608 - 200, 1_048_576, 65_536, 257]
    const correlationId = "x".repeat(long[volley % long.length]!)
    const admin = await clientOf("admin")
    admin.publish({
      subject: transitionSubject,
      payload: transitionOf(one.token, correlationId),
      reply: admin.newInbox()
    })
    const platform = await clientOf("platform")
    const other = hostileText(random, 1_048_576 - 1_024)
    platform.publish({ subject: unregisteredSubject, payload: unregisteredOf(`w${volley}`, other) })
    platform.publish({ subject: unregisteredSubject, payload: Buffer.alloc(2_000, [0xff, 0x80, 0x00][volley % 3]!) })
    const mail = await clientOf("mail")
    for (const credential_id of ["x".repeat(257), "\ud800", hostileText(random, 60_000), hostileText(random, 60_000)]) {
      const subject = `cm.v1.demo.credential.${volley % 2 === 0 ? "get.mail" : "describe"}`
      mail.publish({ subject, payload: text({ credential_id }), reply: mail.newInbox() })
    }
    const [description, reason] = [hostileText(random, 4_096), hostileText(random, 4_096)]
    const subject = "cm.v1.demo.token."
    const described = text({ appName: "app", endpointId: `x${volley}`, description })
    admin.publish({ subject: `${subject}provision`, payload: described, reply: admin.newInbox() })
    admin.publish({
      subject: `${subject}revoke`,
      payload: text({ tokenId: two.tokenId, reason }),
      reply: admin.newInbox()
    })
  }

  const until = performance.now() + seconds * 1_000
  let memoryAtFirst = 0
  let volleys = 0
  while (volleys < volleysMax && performance.now() < until && wrong.length === 0) {
    try {
      await nearlyRight(volleys)
      for (let count = 0; count < volleyMessages; count++) {
        const target = targets[Math.floor(random() * targets.length)]!
        const client = await clientOf(target.user)
        client.publish(hostileMessage(random, target, client.newInbox))
        messages++
        if (count % 20 === 19) await Promise.all(attackers.map(async (user) => (await clientOf(user)).flush()))
      }
    } catch (error) {
      wrong.push(`a volley: ${error}`)
    }
    volleys++
    wrong.push(...(await lookAround(world).catch((error: unknown) => [`looking around: ${error}`])))
    takeAnswers()
    const resident = residentBytes(service.pid)
    // The first volleys fill what is kept on purpose: pools, caches, compiled code.
    if (volleys === 3) memoryAtFirst = resident
    if (volleys > 3 && resident > memoryAtFirst + growthMax) {
      wrong.push(`memory went from ${memoryAtFirst >> 20} to ${resident >> 20} MiB`)
    }
    said(`volley ${volleys}: ${messages} messages, ${answers} answers, ${resident >> 20} MiB, ${text(observed)}`)
  }
  goesOn = false
  await Promise.all(observing)
  for (const client of Object.values(raw)) client.close()
  return { volleys, messages, answers, observed, wrong }
}
