/** Images by digest: the script asks a registry as registries are asked, and writes what it says. */
import { execFile } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, assert, beforeAll, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")
const folder = mkdtempSync(join(tmpdir(), "cm-pin-"))
const digest = (letter: string) => `sha256:${letter.repeat(64)}`
const given: Record<string, string> = {}
let registry: Server
let url = ""

beforeAll(async () => {
  mkdirSync(join(folder, "scripts"), { recursive: true })
  cpSync(join(root, "scripts/pin-images.mjs"), join(folder, "scripts/pin-images.mjs"))
  cpSync(join(root, "scripts/lib"), join(folder, "scripts/lib"), { recursive: true })
  for (const name of ["compose.yaml", "Dockerfile"]) cpSync(join(root, name), join(folder, name))
  registry = createServer((request, response) => {
    const path = request.url ?? ""
    if (path.startsWith("/token")) return response.end(JSON.stringify({ token: "t" }))
    if (request.headers.authorization !== "Bearer t") {
      response.setHeader("www-authenticate", `Bearer realm="${url}/token",service="here",scope="repository:pull"`)
      response.statusCode = 401
      return response.end()
    }
    const image = /^\/v2\/library\/([a-z]+)\/manifests\//u.exec(path)?.[1] ?? ""
    if (given[image] === undefined) response.statusCode = 404
    else response.setHeader("docker-content-digest", given[image])
    response.end()
  })
  await new Promise<void>((done) => registry.listen(0, "127.0.0.1", done))
  const address = registry.address()
  url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
})
afterAll(() => {
  registry?.close()
  rmSync(folder, { recursive: true, force: true })
})

const pin = (...args: ReadonlyArray<string>) =>
  new Promise<unknown>((done) =>
    execFile(process.execPath, [join(folder, "scripts/pin-images.mjs"), `--registry=${url}`, ...args], (error) =>
      done(error?.code ?? 0)
    )
  )
const text = (name: string) => readFileSync(join(folder, name), "utf8")

it("every image gets the digest that the registry says for its version, and a check finds another one", async () => {
  Object.assign(given, { nats: digest("a"), mariadb: digest("b"), node: digest("c") })
  const before = text("compose.yaml")
  assert.strictEqual(await pin(), 0)
  assert.match(text("compose.yaml"), new RegExp(`image: nats:[0-9a-z.-]+@${digest("a")}\n`, "u"))
  assert.match(text("compose.yaml"), new RegExp(`image: mariadb:[0-9.]+@${digest("b")}\n`, "u"))
  assert.match(text("Dockerfile"), new RegExp(`^FROM node:[0-9a-z.-]+@${digest("c")}\n`, "mu"))
  assert.include(text("compose.yaml"), "image: credential-management:local\n")
  assert.strictEqual(
    text("compose.yaml").replace(/@sha256:[0-9a-f]{64}/gu, ""),
    before.replace(/@sha256:[0-9a-f]{64}/gu, "")
  )
  assert.strictEqual(await pin("--check"), 0)
  given.nats = digest("d")
  assert.strictEqual(await pin("--check"), 1)
  assert.include(text("compose.yaml"), digest("a"))
  assert.strictEqual(await pin(), 0)
  assert.include(text("compose.yaml"), digest("d"))
})

it("writes nothing where the registry does not know an image", async () => {
  const before = text("compose.yaml")
  delete given.mariadb
  given.nats = digest("e")
  assert.strictEqual(await pin(), 2)
  assert.strictEqual(text("compose.yaml"), before)
})
