/**
 * `npm run settings`: writes docs/settings.md from the settings that the modules declare.
 *
 * Runs on the checkout's own Node, because it loads those modules. With `--json` it prints the settings
 * and the page instead, for the test that compares the page with the file.
 */
import { globSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { argumentsOf } from "./lib/arguments.mjs"
import { checkout } from "./lib/find.mjs"

const { values } = argumentsOf(import.meta.filename, {
  call: "npm run settings --",
  options: { json: { type: "boolean", default: false } }
})

const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ")

const code = (text) => (text === "" ? "" : `\`${cell(text)}\``)

/** Every setting of every module. */
const allSettings = async () => {
  for (const file of globSync("src/**/*Config.ts", { cwd: checkout })) {
    await import(pathToFileURL(join(checkout, file)).href)
  }
  const { declared } = await import(pathToFileURL(join(checkout, "src/observability/Setting.ts")).href)
  return declared()
}

/** The whole page. */
const page = (settings) => {
  const rows = settings.map(
    ({ about, byDefault, name, range, secret, unit }) =>
      `| \`${name}\` | ${cell(about)}${secret ? " Never shown." : ""} | ${cell(unit)} | ${code(range)} | ${code(byDefault)} |`
  )
  return `# Settings

Made by \`npm run settings\` from the declarations in the source; do not edit.

Each is an environment variable, read once at the start. A wrong value stops the start with a line that names the
variable. Without a default it must be given, but for secrets that are not used.

| variable | what it is | unit | range | default |
|---|---|---|---|---|
${rows.join("\n")}
`
}

const settings = await allSettings()
if (values.json) process.stdout.write(JSON.stringify({ settings, page: page(settings) }))
else writeFileSync(join(checkout, "docs", "settings.md"), page(settings))
