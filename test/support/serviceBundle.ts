/**
 * The service in one file, for the tests that start it: a start loads a thousand modules, and they start it some three
 * hundred times. Made once a run from the same source that `npm start` runs, so all that is tested is the source's; what
 * shows that it runs without this step starts `src/main.ts` (the tests of `npm start`, of the platform, of chaos, of the
 * commands of the documents). A setup of vitest: it runs before the processes that tests run in.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { type Plugin, rolldown } from "rolldown"
import { testedService } from "./service.ts"

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

/** Its name follows from its text: runs of one source share it, and what Node has compiled of it. */
const bundleService = async (): Promise<string> => {
  const built = await rolldown({
    input: join(root, "src", "main.ts"),
    platform: "node",
    plugins: [whereItStands],
    onLog: (level, log) => {
      // A warning of a package's is not ours to mend.
      if (level === "warn" && log.id?.startsWith(join(root, "src")) === true) throw new Error(log.message)
    }
  })
  const { output } = await built.generate({ format: "esm", codeSplitting: false })
  await built.close()
  const text = output[0].code
  mkdirSync(folder, { recursive: true })
  forgetOld()
  const file = join(folder, `${createHash("sha256").update(text).digest("hex").slice(0, 16)}.mjs`)
  if (!existsSync(file)) {
    const draft = `${file}.${process.pid}`
    writeFileSync(draft, text)
    renameSync(draft, file)
  }
  return file
}

export default async (): Promise<void> => {
  process.env[testedService] = await bundleService()
}
