// Verifies R-REF-6.
/** A URL that a tenant wrote makes this service knock at no door of its own network. */
import { createHook } from "node:async_hooks"
import { lookup, Resolver } from "node:dns/promises"
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { createServer as createTcpServer } from "node:net"
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import { Effect, Exit, Option } from "effect"
import { afterAll, assert, beforeAll, describe, it, vi } from "vitest"
import { answerBytesMax, type GuardedHttpError, send, urlProblem } from "../../../src/platform/GuardedHttp.ts"
import { isPublicAddress } from "../../../src/platform/PublicAddress.ts"
import { inTime } from "../../support/inTime.ts"

const nobody: ReadonlySet<string> = new Set()

describe("addresses that are not public", () => {
  it.each([
    "127.0.0.1",
    "127.255.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "3fff::1",
    "100::1",
    "fd00:ec2::254",
    "",
    "localhost",
    "1.2.3"
  ])("%s", (address) => assert.isFalse(isPublicAddress(address)))

  it.each(["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.255.255", "2606:4700::1111", "2a00:1450::1"])(
    "%s is public",
    (address) => assert.isTrue(isPublicAddress(address))
  )
})

describe("a URL is refused by its text", () => {
  it.each([
    "http://example.com/token",
    "ftp://example.com",
    "https://user@example.com",
    "https://u:p@example.com",
    "https://127.0.0.1",
    "https://127.1",
    "https://0x7f000001",
    "https://2130706433",
    "https://017700000001",
    "https://0177.0.0.1",
    "https://0x7f.0x0.0x0.0x1",
    "https://127.0.1",
    "https://127.0.0.1.",
    "https://%31%32%37.0.0.1",
    "https://１２７.０.０.１",
    "https://127。0。0。1",
    "https://0",
    "https://0.0.0.0",
    "https://0xa9fea9fe",
    "https://2852039166",
    "https://100.64.0.1",
    "https://192.0.0.192",
    "https://168.63.129.16",
    "https://224.0.0.1",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:0:127.0.0.1]",
    "https://[::127.0.0.1]",
    "https://[64:ff9b::127.0.0.1]",
    "https://[64:ff9b:1::a00:1]",
    "https://[2002:7f00:1::]",
    "https://[2001:0:7f00:1::]",
    "https://[fc00::1]",
    "https://[fd00:ec2::254]",
    "https://[fec0::1]",
    "https://[ff02::1]",
    "https://localhost.",
    "https://vault.internal.",
    "https://metadata.google.internal/",
    "https://[::1]",
    "https://[::ffff:7f00:1]",
    "https://[fe80::1]",
    "https://localhost",
    "https://a.localhost",
    "https://printer.local",
    "https://vault.internal",
    "https://redis",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest",
    "javascript:alert(1)",
    "not a url",
    "//example.com"
  ])("%s", (url) => assert.isNotNull(urlProblem(url, { allowedHosts: nobody })))

  it("unless its host is listed, with its port or without", () => {
    assert.isNull(urlProblem("http://localhost:8080/token", { allowedHosts: new Set(["localhost:8080"]) }))
    assert.isNull(urlProblem("http://localhost:8080/token", { allowedHosts: new Set(["localhost"]) }))
    assert.isNotNull(urlProblem("http://localhost:8081/token", { allowedHosts: new Set(["localhost:8080"]) }))
    assert.isNull(urlProblem("https://example.com/token", { allowedHosts: nobody }))
  })
})

describe("a request", () => {
  let server: Server
  let port = 0
  let seen: Array<string> = []
  let answer: RequestListener = (_, response) => void response.end("{}")
  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push(`${request.headers.host} ${request.url}`)
      answer(request, response)
    })
    await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const ask = (
    url: string,
    options: {
      readonly allowed?: ReadonlyArray<string>
      readonly resolve?: (name: string) => Promise<ReadonlyArray<string>>
      readonly timeoutMs?: number
    } = {}
  ) => {
    seen = []
    const { allowed = [`127.0.0.1:${port}`], timeoutMs = 20_000, ...rest } = options
    return Effect.runPromiseExit(
      send({ method: "POST", url, headers: {}, body: "a=b" }, { allowedHosts: new Set(allowed), timeoutMs, ...rest })
    )
  }
  const errorOf = (exit: Exit.Exit<unknown, GuardedHttpError>): GuardedHttpError => {
    assert.isTrue(Exit.isFailure(exit))
    return Option.getOrThrow(Exit.findErrorOption(exit))
  }

  /** Given up at the end of its time, by which the server had done what it does: on a machine that is slow it has more. */
  const askLate = (url: string, answers: (response: ServerResponse, done: () => void) => void) =>
    inTime(async (timeoutMs) => {
      const end = performance.now() + timeoutMs
      let isDone = false
      answer = (_, response) =>
        answers(response, () => {
          isDone = performance.now() < end
        })
      const exit = await ask(url, { timeoutMs })
      return isDone ? exit : undefined
    })

  it("to a listed host is answered", async () => {
    const exit = await ask(`http://127.0.0.1:${port}/token`)
    assert.isTrue(Exit.isSuccess(exit))
    assert.deepStrictEqual(seen, [`127.0.0.1:${port} /token`])
  })

  it("to a public name that has a private address knocks nowhere", async () => {
    for (const addresses of [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]]) {
      const { mayHaveArrived, reason } = errorOf(
        await ask(`https://rebind.example.com:${port}/`, { resolve: () => Promise.resolve(addresses) })
      )
      assert.deepStrictEqual([reason, mayHaveArrived], ["blocked_url", false])
    }
    assert.deepStrictEqual(seen, [])
  })

  it("goes to the address that was looked up, once, whatever the name answers later", async () => {
    let looks = 0
    const resolve = () => Promise.resolve(looks++ === 0 ? ["127.0.0.1"] : ["8.8.8.8"])
    const exit = await ask(`http://listed.example.com:${port}/x`, { allowed: ["listed.example.com"], resolve })
    assert.isTrue(Exit.isSuccess(exit))
    assert.strictEqual(looks, 1)
    assert.deepStrictEqual(seen, [`listed.example.com:${port} /x`])
  })

  it("to a name that answers with a public address, and then with a private one, knocks at no private door", async () => {
    const looked: Array<string> = []
    const resolve = (name: string) => {
      looked.push(name)
      return Promise.resolve(looked.length === 1 ? ["2606:4700:0:0:0:0:0:1"] : ["127.0.0.1"])
    }
    const { reason } = errorOf(await ask(`https://rebind.example.com:${port}/`, { resolve, timeoutMs: 500 }))
    assert.include(["unreachable", "timeout"], reason)
    assert.deepStrictEqual(looked, ["rebind.example.com"])
    assert.deepStrictEqual(seen, [])
  })

  it("to a name that has no address, or is not found in time, did not arrive", async () => {
    const none = errorOf(await ask("https://none.example.com/", { resolve: () => Promise.resolve([]) }))
    assert.deepStrictEqual([none.reason, none.mayHaveArrived], ["unreachable", false])
    const never = new Promise<ReadonlyArray<string>>(() => undefined)
    const late = errorOf(await ask("https://late.example.com/", { resolve: () => never, timeoutMs: 200 }))
    assert.deepStrictEqual([late.reason, late.mayHaveArrived], ["timeout", false])
  })

  it("to a listed name goes where this machine's own hosts are, which no name server knows", async () => {
    const [found] = await lookup("localhost", { all: true, verbatim: true })
    const local = createServer((_, response) => void response.end("{}"))
    await new Promise<void>((done) => void local.listen(0, found!.address, done))
    const host = `localhost:${(local.address() as AddressInfo).port}`
    assert.isTrue(Exit.isSuccess(await ask(`http://${host}/x`, { allowed: [host] })))
    local.close()
  })

  it("to another name takes none of the few threads in which the system looks up", async () => {
    const notFound = Object.assign(new Error("no such name"), { code: "ENOTFOUND" })
    const asked = (["resolve4", "resolve6"] as const).map((question) =>
      vi.spyOn(Resolver.prototype, question).mockRejectedValue(notFound)
    )
    const begun = new Set<string>()
    const hook = createHook({ init: (_, type) => void begun.add(type) }).enable()
    const error = errorOf(await ask("https://host.of.a.tenant.example/x"))
    hook.disable()
    for (const question of asked) {
      assert.deepStrictEqual(question.mock.calls as ReadonlyArray<unknown>, [["host.of.a.tenant.example"]])
      question.mockRestore()
    }
    assert.deepStrictEqual([error.reason, error.mayHaveArrived], ["unreachable", false])
    assert.notInclude(Array.from(begun), "GETADDRINFOREQWRAP")
  })

  it("tells the server the name that was asked for, never the address", async () => {
    const exit = await ask(`http://tenant.example.com:${port}/x?y=z`, {
      allowed: ["tenant.example.com"],
      resolve: () => Promise.resolve(["127.0.0.1"])
    })
    assert.isTrue(Exit.isSuccess(exit))
    assert.deepStrictEqual(seen, [`tenant.example.com:${port} /x?y=z`])
  })

  it.each([301, 302, 303, 307, 308])("follows no redirect %i", async (status) => {
    answer = (_, response) => void response.writeHead(status, { Location: `http://127.0.0.1:${port}/elsewhere` }).end()
    const exit = await ask(`http://127.0.0.1:${port}/token`)
    assert.isTrue(Exit.isSuccess(exit) && exit.value.status === status)
    assert.lengthOf(seen, 1)
  })

  it("takes no answer over its limit, and none that drips for ever", async () => {
    answer = (_, response) => void response.end("x".repeat(answerBytesMax + 1))
    assert.strictEqual(errorOf(await ask(`http://127.0.0.1:${port}/`)).reason, "too_long")
    const drips = await askLate(`http://127.0.0.1:${port}/`, (response, done) => void response.write("{", done))
    const { mayHaveArrived, reason } = errorOf(drips)
    assert.deepStrictEqual([reason, mayHaveArrived], ["timeout", true])
  })

  it("hands over what came of an answer that broke off", async () => {
    answer = (request, response) => {
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 100 })
      response.write('{"refresh_token":"x"', () => request.socket.destroySoon())
    }
    const broken = errorOf(await ask(`http://127.0.0.1:${port}/`))
    assert.deepInclude(broken.received, { status: 200, body: '{"refresh_token":"x"' })
    const late = await askLate(`http://127.0.0.1:${port}/`, (response, done) => void response.write("{", done))
    assert.strictEqual(errorOf(late).received?.body, "{")
    answer = (request) => void request.socket.destroy()
    assert.isNull(errorOf(await ask(`http://127.0.0.1:${port}/`)).received)
  })

  it("hands over what came in one piece with what broke it", async () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = (request) => void request.socket.end(`${head}5\r\nhello\r\n6\r\n there\r\nZZZ\r\n`)
    assert.deepInclude(errorOf(await ask(`http://127.0.0.1:${port}/`)).received, { status: 200, body: "hello there" })
    const long = "x".repeat(answerBytesMax - 1)
    answer = (request) =>
      void request.socket.end(`${head}${long.length.toString(16)}\r\n${long}\r\n5\r\nhello\r\nZZZ\r\n`)
    assert.isAtMost(errorOf(await ask(`http://127.0.0.1:${port}/`)).received!.body.length, answerBytesMax)
  })

  const granted = '{"access_token":"a-2","refresh_token":"r-2"}'
  const length = `Content-Length: ${granted.length}\r\n`
  const chunked = "Transfer-Encoding: chunked\r\n"
  const inChunks = `${granted.length.toString(16)}\r\n${granted}\r\n0\r\n\r\n`
  const says =
    (text: string | Buffer): RequestListener =>
    (request) =>
      void request.socket.end(text)
  it.each([
    ["a header with a control character", `HTTP/1.1 200 OK\r\nX-A: a\x01b\r\n${length}\r\n${granted}`],
    ["a header of 40,000 bytes", `HTTP/1.1 200 OK\r\nX-A: ${"x".repeat(40_000)}\r\n${length}\r\n${granted}`],
    ["3,000 headers", `HTTP/1.1 200 OK\r\n${"X-A: b\r\n".repeat(3_000)}${length}\r\n${granted}`],
    ["a length and chunks", `HTTP/1.1 200 OK\r\n${length}${chunked}\r\n${inChunks}`],
    ["lines that end in a line feed alone", `HTTP/1.1 200 OK\n${length.trim()}\n\n${granted}`],
    ["a length and chunks, and a status without words", `HTTP/1.1 200\r\n${length}${chunked}\r\n${inChunks}`]
  ])("is answered by a head with %s", async (_, said) => {
    answer = says(said)
    const exit = await ask(`http://127.0.0.1:${port}/`)
    assert.isTrue(Exit.isSuccess(exit))
    assert.deepInclude((exit as Exit.Success<object>).value, { status: 200, body: granted })
  })

  it.each([
    ["a blank before a colon", `HTTP/1.1 200 OK\r\nX-A : b\r\n${length}\r\n${granted}`],
    ["a name of two words", `HTTP/1.1 200 OK\r\nX A: b\r\n${length}\r\n${granted}`],
    ["a line that is no header", `HTTP/1.1 200 OK\r\nX-A\r\n${length}\r\n${granted}`],
    ["the same length twice", `HTTP/1.1 200 OK\r\n${length}${length}\r\n${granted}`],
    ["a length beyond all numbers", `HTTP/1.1 200 OK\r\nContent-Length: ${"9".repeat(24)}\r\n\r\n${granted}`],
    ["another version", `HTTP/2 200\r\n${length}\r\n${granted}`]
  ])("hands over what stands behind a head with %s", async (_, said) => {
    answer = says(said)
    const { mayHaveArrived, received } = errorOf(await ask(`http://127.0.0.1:${port}/`))
    assert.isTrue(mayHaveArrived)
    assert.deepInclude(received, { status: 200, body: granted })
  })

  it("hands over what a head without an end of its first chunk holds, and nothing of half a head or of one before the answer", async () => {
    answer = says(`HTTP/1.1 200 OK\r\n${chunked}\r\nzz\r\n${granted}`)
    assert.include(errorOf(await ask(`http://127.0.0.1:${port}/`)).received?.body, granted)
    for (const said of [`HTTP/1.1 200 OK\r\nX-A : ${granted}\r\n`, "HTTP/1.1 100 Continue\r\n\r\n"]) {
      answer = says(said)
      assert.isNull(errorOf(await ask(`http://127.0.0.1:${port}/`)).received)
    }
  })

  it("that is answered with another protocol is over at once", async () => {
    answer = says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    assert.strictEqual(errorOf(await ask(`http://127.0.0.1:${port}/`)).reason, "unreachable")
  })

  const coded = (coding: string, body: Uint8Array) =>
    says(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\n\r\n`), body]))
  it.each([
    ["gzip", gzipSync(granted)],
    ["X-GZIP", gzipSync(granted)],
    ["deflate", deflateSync(granted)],
    ["br", brotliCompressSync(granted)],
    ["gzip, br", brotliCompressSync(gzipSync(granted))],
    ["identity", Buffer.from(granted)],
    ["gzip", Buffer.from(granted)],
    ["of-nobody", Buffer.from(granted)]
  ])("is answered by a body that was coded unasked: %s", async (coding, body) => {
    answer = coded(coding, body)
    const exit = await ask(`http://127.0.0.1:${port}/`)
    assert.isTrue(Exit.isSuccess(exit) && exit.value.body === granted)
  })

  it("hands over what a coded answer held before it broke off or became too long, and no more than its limit", async () => {
    const whole = gzipSync(`${granted}${Array.from({ length: 2_000 }, (_, index) => index).join()}`)
    answer = (request, response) => {
      response.writeHead(200, { "Content-Encoding": "gzip", "Content-Length": whole.length })
      response.write(whole.subarray(0, whole.length / 2), () => request.socket.destroySoon())
    }
    assert.include(errorOf(await ask(`http://127.0.0.1:${port}/`)).received?.body, granted)
    answer = coded("gzip", gzipSync(`${granted}${" ".repeat(answerBytesMax)}`))
    const long = errorOf(await ask(`http://127.0.0.1:${port}/`))
    assert.deepStrictEqual([long.reason, long.received?.body.length], ["too_long", answerBytesMax])
    assert.include(long.received?.body, granted)
    for (const [coding, bomb] of [
      ["gzip", gzipSync(Buffer.alloc(30 * answerBytesMax, "{"))],
      ["br", brotliCompressSync(Buffer.alloc(30 * answerBytesMax, "{"))]
    ] as const) {
      assert.isBelow(bomb.length, answerBytesMax)
      answer = coded(coding, bomb)
      const { reason, received } = errorOf(await ask(`http://127.0.0.1:${port}/`))
      assert.deepStrictEqual([reason, received?.body], ["too_long", ""])
    }
  })

  it("whose answer lies in the socket when a sleeper wakes with its time over is answered", async () => {
    const exit = await inTime(async (timeoutMs) => {
      const end = performance.now() + timeoutMs
      let isAsleep = false
      answer = (_, response) => {
        response.end("{}", () => {
          isAsleep = performance.now() < end
          // Nothing runs in this process for longer than the answer may take.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * timeoutMs)
        })
      }
      const ended = await ask(`http://127.0.0.1:${port}/`, { timeoutMs })
      return isAsleep ? ended : undefined
    })
    assert.isTrue(Exit.isSuccess(exit) && exit.value.body === "{}")
  })

  it("that was refused did not arrive; one whose connection broke may have", async () => {
    const closed = createTcpServer()
    await new Promise<void>((done) => void closed.listen(0, "127.0.0.1", done))
    const free = (closed.address() as AddressInfo).port
    await new Promise((done) => closed.close(done))
    assert.isFalse(errorOf(await ask(`http://127.0.0.1:${free}/`, { allowed: ["127.0.0.1"] })).mayHaveArrived)
    answer = (request) => void request.socket.destroy()
    assert.isTrue(errorOf(await ask(`http://127.0.0.1:${port}/`)).mayHaveArrived)
  })
})
