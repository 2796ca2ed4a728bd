/**
 * `npm start`: everything from a fresh clone to a running service, in the foreground.
 *
 * Runs on Node 20 without a package. Installs what is missing, starts a NATS server and a MariaDB of its
 * own under CM_LOCAL_DIR (default `.local`) unless NATS_URL and DATABASE_URL name others, starts the
 * service, and prints one line that begins with `ready`. SIGTERM and Ctrl-C stop all of it, in order.
 */
import { argumentsOf } from "./lib/arguments.mjs"
import { run } from "./lib/run.mjs"

argumentsOf(import.meta.filename, { call: "npm start" })
process.exit(await run())
