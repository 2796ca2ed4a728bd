/**
 * What the three examples share: a connection as their own bus user, and asking for a credential.
 *
 * Address and password come from the `run.json` of a running `npm start` (`CM_LOCAL_DIR`, default
 * `.local`). A service of your own would get them from where it keeps its secrets.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "@nats-io/transport-node"

export const tenant = process.argv[2] ?? "demo"

/** Connects as `user`; `get` and `describe` ask the credential service in its name. */
export const connectAs = async (user) => {
  const run = JSON.parse(readFileSync(join(process.env.CM_LOCAL_DIR ?? ".local", "run.json"), "utf8"))
  const { inboxPrefix, password } = run.users[user]
  const nc = await connect({ servers: run.natsUrl, user, pass: password, inboxPrefix, name: `example-${user}` })
  const ask = async (verb, request) => {
    const subject = `${run.instance}.v1.${tenant}.credential.${verb}`
    const answer = (await nc.request(subject, JSON.stringify(request), { timeout: 20_000 })).json()
    if (answer.error !== undefined) throw Object.assign(new Error(answer.error.reasonPhrase), answer.error)
    return answer
  }
  return {
    /** The last token of the subject is who asks; the bus lets nobody else publish it. */
    get: (request) => ask(`get.${user}`, request),
    describe: (request) => ask("describe", request),
    /** What happens when this service tries to be another one. */
    getAs: async (other, request) => {
      let refusal
      const refused = (async () => {
        for await (const status of nc.status()) {
          if (status.type === "error") {
            refusal = String(status.error?.message ?? status.error)
            return
          }
        }
      })()
      const asked = ask(`get.${other}`, request).catch((error) => error)
      await Promise.race([refused, asked])
      return refusal ?? (await asked)
    },
    close: () => nc.close()
  }
}

/** A secret as it may be shown on a terminal. */
export const masked = (text) => `${"*".repeat(8)} (${text.length} characters)`

export const say = (line) => process.stdout.write(`${line}\n`)
