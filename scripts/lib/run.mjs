/**
 * One running system, from nothing to ready to stopped: servers of its own unless they are given, one
 * replica of the service or several, and the file that says how to reach them.
 *
 * Ends 0 when it was asked to stop (SIGTERM, SIGINT, SIGHUP), and when its last replica was (`drain`).
 * When a server or the last replica ends otherwise, the rest is stopped in order and the end is not 0.
 * Signals that come again while it stops change nothing: npm passes Ctrl-C on although the terminal has
 * already sent it.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { busEnvironment, configFileFor, describeUsers, tlsConfigFileFor, writeContexts } from "./bus.mjs"
import { makeStackCertificates, mariadbTlsArguments, natsTlsEnvironment } from "./certificates.mjs"
import { provide } from "./install.mjs"
import { clearLeftovers, localDirOf, note, remember, remembered, take, writePrivate } from "./localDir.mjs"
import { startMariadb } from "./mariadb.mjs"
import { startNats } from "./natsServer.mjs"
import { Refusal, say, shellWord, step } from "./report.mjs"
import { startService, whenReady } from "./service.mjs"
import { readable, tail } from "./tail.mjs"

/** An end that is not a failure of ours to explain: somebody asked for it. */
class Stopped extends Error {}

/** A process that a person counts on has ended by itself. */
class Lost extends Error {
  constructor(child, { code, signal, error }) {
    super(`${child.label ?? child.name} ended by itself (${error?.message ?? signal ?? `exit code ${code}`})`)
    this.lines = child.lastLogLines(20)
    this.logFile = child.logFile
    this.reason = child.name === "service" && code !== 0 ? reasonIn(this.lines) : undefined
  }
}

/** What a start that cannot succeed says: one line behind the log's lines of JSON. */
const reasonIn = (lines) => {
  const isLog = (line) => line === undefined || line.startsWith("{")
  return isLog(lines.at(-1)) || !isLog(lines.at(-2)) ? undefined : lines.at(-1)
}

/** The service ends with 0 only when it was asked to. */
const wasAsked = ({ name }, { code }) => name === "service" && code === 0

/** Everything that was started, in the order in which it has to be stopped: the latest first. */
const makeStack = (dir) => {
  const started = []
  let reportLoss
  const lost = new Promise((_, reject) => {
    reportLoss = reject
  })
  lost.catch(() => {})
  let stopping = false
  return {
    lost,
    isStopping: () => stopping,
    /** Stopped with the rest from now on, at once when the rest is being stopped already. */
    hold: (child) => {
      started.unshift(child)
      note(dir, child)
      if (stopping) child.stop()
    },
    /** From here on its end is the end of the whole, unless `isEnough` says that others will do. */
    watch: (child, isEnough = () => false) => {
      child.exited.then((end) => {
        if (stopping) return
        const asked = wasAsked(child, end)
        const how = asked ? "as it was asked to" : `(${end.signal ?? `exit code ${end.code}`})`
        if (isEnough()) return say(`${child.label} ended ${how}; the others go on`)
        if (!asked) return reportLoss(new Lost(child, end))
        say(`${child.label} ended ${how}: stopping the rest`)
        reportLoss(new Stopped())
      })
      return child
    },
    interrupt: (error) => reportLoss(error),
    /** Replicas at once, then the servers, one after the other. */
    stop: async () => {
      stopping = true
      await Promise.all(started.filter(({ name }) => name === "service").map((child) => child.stop()))
      for (const child of started) await child.stop()
    }
  }
}

/** For `CM_DEV_TLS=true`: made once, by a private authority of this folder. */
const certificatesIn = (dir) => {
  const folder = join(dir, "tls")
  const made = { ca: join(folder, "client", "ca.pem"), nats: join(folder, "nats"), mariadb: join(folder, "mariadb") }
  return existsSync(made.ca) ? made : makeStackCertificates(folder, ["localhost", "127.0.0.1"])
}

/** The bus and the database: given ones, or our own under `dir`. */
const provideServers = async (dir, instance, stack, env) => {
  const known = remembered(dir)
  // Before the servers learn the passwords, so that they are still known after a start that failed.
  remember(dir, known)
  const common = { mayMove: true, onStart: stack.hold }
  const tls = env.CM_DEV_TLS === "true" ? certificatesIn(dir) : undefined
  const [nats, mariadb] = await Promise.all([
    env.NATS_URL === undefined
      ? startNats({
          ...common,
          dir: join(dir, "nats"),
          configFile: tls === undefined ? configFileFor(instance, dir) : tlsConfigFileFor(instance, dir),
          env: { ...busEnvironment(known.bus), ...(tls && natsTlsEnvironment(tls.nats)) },
          port: known.natsPort,
          logFile: join(dir, "log", "nats-server.log")
        })
      : undefined,
    env.DATABASE_URL === undefined
      ? startMariadb({
          ...common,
          dir: join(dir, "mariadb"),
          password: known.databasePassword,
          port: known.databasePort,
          args: tls === undefined ? [] : mariadbTlsArguments(tls.mariadb),
          logFile: join(dir, "log", "mariadbd.log")
        })
      : undefined
  ])
  for (const server of [nats, mariadb]) if (server !== undefined) stack.watch(server)
  remember(dir, { ...known, ...(nats && { natsPort: nats.port }), ...(mariadb && { databasePort: mariadb.port }) })
  return {
    natsUrl: nats === undefined ? env.NATS_URL : tls === undefined ? nats.url : nats.url.replace("nats://", "tls://"),
    databaseUrl: mariadb === undefined ? env.DATABASE_URL : `${mariadb.url}${tls === undefined ? "" : "?ssl=true"}`,
    tls: { ...(tls && nats && { NATS_CA: tls.ca }), ...(tls && mariadb && { DATABASE_CA: tls.ca }) },
    users: nats === undefined ? givenUser(env) : describeUsers(known.bus),
    ownBus: nats !== undefined
  }
}

/** On a bus that is not ours we know the service's own user at most. */
const givenUser = ({ NATS_USER: user, NATS_PASSWORD: password }) =>
  user === undefined ? {} : { service: { user, password, inboxPrefix: `_INBOX.${user}` } }

/** Whether a Tenant Manager says which tenants there are; nobody else adds one then. */
const isManaged = ({ CM_TENANT_MANAGER_URL: url = "" }) => url !== ""

/** The service's environment: what a person has set, what this system decides. */
const serviceEnvironment = ({ dir, env, instance, servers, replica }) => {
  const ownKeyFile = join(dir, "keys.json")
  return {
    CM_INSTANCE_NAME: instance,
    NATS_URL: servers.natsUrl,
    DATABASE_URL: servers.databaseUrl,
    ...servers.tls,
    ...(servers.ownBus ? { NATS_USER: "service", NATS_PASSWORD: servers.users.service.password } : {}),
    ...(env.CM_KEY_FILE === undefined ? { CM_KEY_FILE: ownKeyFile, CM_KEY_FILE_CREATE: "true" } : {}),
    CM_DEV_TENANTS: env.CM_DEV_TENANTS ?? (isManaged(env) ? "" : "demo"),
    ...(replica === undefined ? {} : { CM_REPLICA_ID: replica })
  }
}

/** Starts every replica; the first one alone, because it makes the schema and the key file. */
const startReplicas = async ({ dir, env, instance, servers, stack, replicas }) => {
  const services = []
  for (const replica of replicas) {
    const label = replicas.length === 1 ? "service" : `service-${replica}`
    const service = startService({ dir, label, env: serviceEnvironment({ dir, env, instance, servers, replica }) })
    stack.hold(service)
    stack.watch(service, () => services.some(({ child }) => child !== service && !child.hasEnded()))
    const ready = await whenReady(service)
    // It has ended, which the stack reports with the last lines of its log.
    if (ready === undefined) return stack.lost
    services.push({ child: service, ready })
  }
  return services
}

/** For a shell as it is; `scripts/bus.mjs` makes the shorter form of it. */
const firstCommand = (dir, env, instance, servers) => {
  const [user, request] = !servers.ownBus
    ? ["service", "'$SRV.PING' ''"]
    : isManaged(env)
      ? ["operator", `${instance}.admin.v1.tenants.list ''`]
      : ["admin", `${instance}.v1.demo.application.register '{"appName":"meters"}'`]
  return `try: XDG_CONFIG_HOME=${shellWord(dir)} nats --context ${user} request ${request}`
}

const start = async ({ dir, env, replicas, stack, since }) => {
  const instance = env.CM_INSTANCE_NAME ?? "cm"
  if (!/^[a-z][a-z0-9_-]{0,31}$/u.test(instance) || instance === "kaa") {
    throw new Refusal("CM_INSTANCE_NAME must be a lower-case name of up to 32 letters, digits, _ and -, and not kaa")
  }
  await clearLeftovers(dir)
  mkdirSync(join(dir, "log"), { recursive: true })
  await provide({ nats: env.NATS_URL === undefined, mariadb: env.DATABASE_URL === undefined })
  if (stack.isStopping()) throw new Stopped()
  const servers = await step("starting servers", () => provideServers(dir, instance, stack, env))
  const services = await step("starting the service", () =>
    startReplicas({ dir, env, instance, servers, stack, replicas })
  )
  const [first] = services
  writePrivate(join(dir, "run.json"), {
    instance,
    replica: first.ready.replica,
    pid: first.child.pid,
    natsUrl: servers.natsUrl,
    databaseUrl: servers.databaseUrl,
    ...(servers.tls.NATS_CA === undefined ? {} : { natsCa: servers.tls.NATS_CA }),
    ...(servers.tls.DATABASE_CA === undefined ? {} : { databaseCa: servers.tls.DATABASE_CA }),
    keyFile: env.CM_KEY_FILE ?? join(dir, "keys.json"),
    users: servers.users,
    replicas: services.map(({ child, ready }) => ({ replica: ready.replica, pid: child.pid }))
  })
  writeContexts(dir, servers.natsUrl, servers.users, servers.tls.NATS_CA)
  const elapsed = `${((performance.now() - since) / 1_000).toFixed(1)} s`
  const names = services.map(({ ready }) => ready.replica).join(", ")
  // In one piece, so that whoever waits for the first line has the second one, too.
  say(
    `ready in ${elapsed}: ${instance} (${names}) on ${servers.natsUrl}, details in ${join(dir, "run.json")}\n${firstCommand(dir, env, instance, servers)}`
  )
  const show = await readable()
  return services.map(({ child }) => tail(child.logFile, show))
}

const explain = (error) => {
  if (error instanceof Lost && error.reason !== undefined) {
    process.stderr.write(`${error.message}: ${error.reason}\n`)
  } else if (error instanceof Lost) {
    say(`${error.message}; the last lines of ${error.logFile}:`)
    for (const line of error.lines) say(`  ${line}`)
  } else if (error instanceof Refusal) process.stderr.write(`${error.message}\n`)
  else process.stderr.write(`${error?.message ?? error}\n`)
}

/** Runs the system until it is stopped; resolves with the exit code. */
export const run = async ({ env = process.env, replicas = [env.CM_REPLICA_ID] } = {}) => {
  const since = performance.now()
  const dir = localDirOf(env)
  let lock
  try {
    lock = take(dir)
  } catch (error) {
    explain(error)
    return 1
  }
  const stack = makeStack(dir)
  let isTold = false
  const stop = (signal) => {
    // Where the terminal is gone, nobody reads any more.
    process.stdout.on("error", () => {})
    if (!isTold) say(`stopping (${signal}): the service first, then its servers`)
    isTold = true
    stack.interrupt(new Stopped())
  }
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, stop)
  let tails = []
  let code = 0
  try {
    tails = await Promise.race([start({ dir, env, replicas, stack, since }), stack.lost])
    await stack.lost
  } catch (error) {
    for (const one of tails) one.stop()
    if (!(error instanceof Stopped)) {
      explain(error)
      code = 1
    }
  }
  await stack.stop()
  rmSync(join(dir, "run.json"), { force: true })
  lock.release()
  if (code === 0) say("stopped")
  return code
}
