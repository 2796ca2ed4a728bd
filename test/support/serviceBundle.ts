/**
 * The service in one file, for the tests that start it: a start loads a thousand modules, and they start it some three
 * hundred times. Made once for all runs of one source, the same that `npm start` runs, so all that is tested is the source's; what
 * shows that it runs without this step starts `src/main.ts` (the tests of `npm start`, of the platform, of the commands of the
 * documents, and of chaos those that take a safeguard away). A setup of vitest: it runs before the processes that tests run in.
 *
 * In a run of many tests it is started here once and asked for a little, and leaves what V8 has compiled of it for the others
 * (`compiledService.mjs`): a third of the processor time of a start.
 */
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { type Plugin, rolldown } from "rolldown"
import { connectClient } from "./client.ts"
import { freshDatabase } from "./freshDatabase.ts"
import { startPair } from "./servers.ts"
import { startService, testedService } from "./service.ts"

/** The environment's name for a run of so many tests that it pays (`scripts/lib/parts.mjs`). */
const compilesService = "CM_TEST_COMPILES_SERVICE"

const root = resolve(import.meta.dirname, "../..")
const folder = join(root, ".local", "tested-service")

/** Files that lie beside a module are found there. */
const whereItStands: Plugin = {
  name: "where-it-stands",
  transform: (code, id) =>
    id.startsWith(join(root, "src")) && code.includes("import.meta.url")
      ? code.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(id).href))
      : null
}

/** Those of runs long over; a run that goes on has its own. */
const forgetOld = (): void => {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name)
    if (Date.now() - statSync(file).mtimeMs > 3_600_000) rmSync(file, { force: true })
  }
}

/** A name that follows from all that the bundle is made of: the source, the packages, and how it is made. */
const nameOfSource = (): string => {
  const hash = createHash("sha256")
  const files = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => join(parentPath, name))
  for (const file of [join(root, "package-lock.json"), import.meta.filename, ...files.toSorted()]) {
    hash.update(`${file}\n`).update(createHash("sha256").update(readFileSync(file)).digest())
  }
  return hash.digest("hex").slice(0, 16)
}

/** Runs of one source share it, and what was compiled of it; a run that goes on keeps it from being old. */
const bundleService = async (): Promise<string> => {
  mkdirSync(folder, { recursive: true })
  const name = nameOfSource()
  const file = join(folder, `${name}.cjs`)
  const now = new Date()
  for (const one of [file, `${file}.compiled`]) if (existsSync(one)) utimesSync(one, now, now)
  forgetOld()
  if (existsSync(file)) return file
  const built = await rolldown({
    input: join(root, "src", "main.ts"),
    platform: "node",
    plugins: [whereItStands],
    onLog: (level, log) => {
      // A warning of a package's is not ours to mend.
      if (level === "warn" && log.id?.startsWith(join(root, "src")) === true) throw new Error(log.message)
    }
  })
  const { output } = await built.generate({ format: "cjs", codeSplitting: false })
  await built.close()
  const text = `(function (exports, require, module, __filename, __dirname) {"use strict";${output[0].code}\n})`
  // Of a source that somebody changed meanwhile nobody knows which it was.
  if (nameOfSource() !== name) return await bundleService()
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, text)
  renameSync(draft, file)
  return file
}

/** Of all that a start calls, and of a first request of each kind. */
const compileService = async (): Promise<void> => {
  const stops: Array<() => Promise<unknown>> = []
  try {
    const pair = await startPair()
    stops.push(pair.stop)
    const database = await freshDatabase(pair.mariadb.url)
    const service = await startService({
      natsUrl: pair.nats.url,
      databaseUrl: database.url,
      env: { WRITES_COMPILED: "1" }
    })
    stops.push(service.stop)
    const client = await connectClient({ natsUrl: pair.nats.url })
    stops.push(client.close)
    await client.ask("demo", "application.register", { appName: "app" })
    const { body } = await client.ask("demo", "token.provision", { appName: "app", endpointId: "one" })
    await client.validate("app", body.token)
    const secret = {
      service_name: "mailer",
      type: "api_key",
      credentials: { api_key: "one" },
      allowed_consumers: ["mail"]
    }
    await client.ask("demo", "credential.store", secret)
    await client.ask("demo", "credential.get.mail", { service_name: "mailer" })
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

export default async (): Promise<void> => {
  const file = await bundleService()
  process.env[testedService] = file
  if (process.env[compilesService] !== undefined && !existsSync(`${file}.compiled`)) await compileService()
}
