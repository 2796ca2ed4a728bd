/**
 * Debian's Chromium without a window, told what to do over its DevTools protocol: opens a page, keeps every request that the page
 * makes and every violation of its policy, and takes pictures.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { eventually } from "./eventually.ts"

/** Its path, or null where there is none. */
export const findChromium = (): string | null =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => [join(folder, "chromium"), join(folder, "chromium-browser")])
    .find((file) => existsSync(file)) ?? null

export interface Page {
  /** Every address that the page asked for, in order, whether it was answered, refused or stopped. */
  readonly requested: ReadonlyArray<string>
  /** What its policy stopped, and what its console complained of. */
  readonly complaints: ReadonlyArray<string>
  readonly evaluate: (expression: string) => Promise<unknown>
  /** A PNG of the part that is in view. */
  readonly picture: () => Promise<Buffer>
  readonly close: () => Promise<void>
}

interface Said {
  readonly id?: number
  readonly method?: string
  // biome-ignore lint/suspicious/noExplicitAny: what a browser says
  readonly params?: any
  // biome-ignore lint/suspicious/noExplicitAny: what a browser says
  readonly result?: any
  readonly error?: { readonly message: string }
}

export const openPage = async (
  chromium: string,
  url: string,
  { height, width }: { readonly width: number; readonly height: number }
): Promise<Page> => {
  const profile = mkdtempSync(join(tmpdir(), "cm-chromium-"))
  const child = spawn(
    chromium,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--hide-scrollbars",
      `--window-size=${width},${height}`,
      `--user-data-dir=${profile}`,
      "--remote-debugging-port=0",
      "about:blank"
    ],
    { stdio: "ignore" }
  )
  const exited = new Promise<void>((done) => child.once("exit", () => done()))
  const [port] = await eventually(
    () => {
      const file = join(profile, "DevToolsActivePort")
      return existsSync(file) ? readFileSync(file, "utf8").split("\n") : []
    },
    ([first]) => first !== undefined && first !== "",
    { limitMs: 120_000, what: "Chromium" }
  )
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as ReadonlyArray<{
    readonly type: string
    readonly webSocketDebuggerUrl: string
  }>
  const socket = new WebSocket(targets.find(({ type }) => type === "page")!.webSocketDebuggerUrl)
  await new Promise((done, fail) => {
    socket.onopen = done
    socket.onerror = fail
  })
  const waiting = new Map<number, (said: Said) => void>()
  const requested: Array<string> = []
  const complaints: Array<string> = []
  let next = 0
  socket.onmessage = ({ data }) => {
    const said = JSON.parse(String(data)) as Said
    if (said.id !== undefined) return waiting.get(said.id)?.(said)
    if (said.method === "Network.requestWillBeSent") requested.push(said.params.request.url)
    // Hints about style are told as `verbose`.
    if (said.method === "Log.entryAdded" && said.params.entry.level !== "verbose")
      complaints.push(said.params.entry.text)
    if (said.method === "Runtime.exceptionThrown") complaints.push(said.params.exceptionDetails.text)
  }
  const tell = (method: string, params: object = {}) =>
    new Promise<NonNullable<Said["result"]>>((done, fail) => {
      const id = ++next
      waiting.set(id, (said) => {
        waiting.delete(id)
        if (said.error === undefined) done(said.result)
        else fail(new Error(`${method}: ${said.error.message}`))
      })
      socket.send(JSON.stringify({ id, method, params }))
    })
  for (const domain of ["Network", "Log", "Runtime", "Page"]) await tell(`${domain}.enable`)
  await tell("Page.navigate", { url })
  return {
    requested,
    complaints,
    evaluate: async (expression) =>
      (await tell("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true })).result.value,
    picture: async () => Buffer.from((await tell("Page.captureScreenshot", { format: "png" })).data, "base64"),
    close: async () => {
      socket.close()
      child.kill("SIGTERM")
      await exited
      rmSync(profile, { recursive: true, force: true })
    }
  }
}
