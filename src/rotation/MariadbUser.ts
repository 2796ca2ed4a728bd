/**
 * The rotator `mariadb-user`: two accounts of a MariaDB server in turn, so that readers are never without one.
 *
 *   prepare: the other account, with a password of 256 random bits      set: ALTER USER … ACCOUNT UNLOCK
 *   test: signs in with it      retire, undo: another password that nobody has, ACCOUNT LOCK; then sees itself refused
 *
 * Promises:
 * - no password travels to the server: what is set is its hash, and signing in proves it;
 * - off loopback TLS with a checked certificate, or nothing;
 * - a change that arrives after the claim's end does nothing: the server compares its own clock, read before the
 *   claim was looked at, so that the clocks need not agree;
 * - whoever may not begin, since its claim is over or the stop of the service was begun, signs in nowhere; a step that
 *   has changed an account looks once more, so that it ends;
 * - names are of an alphabet without anything that could end a quotation (`domain/Rotator.ts`), and hashes are hex.
 * It does not close connections that stand: MariaDB keeps them when a password changes.
 */
import { createHash, randomBytes } from "node:crypto"
import { Effect, Result } from "effect"
import { type Connection, createConnection } from "mariadb"
import type { Secret } from "../domain/CredentialShape.ts"
import { takingAway } from "../domain/RotationLife.ts"
import { type MariadbUserPlan, mariadbUserPlan, otherUser, rotatorDetail } from "../domain/Rotator.ts"
import { isLoopback } from "../observability/Transport.ts"
import { done, failed, type StepAnswer, type StepQuestion } from "./RotatorStep.ts"

const passwordBytes = 32
const lockWaitSeconds = 5
/** Raised by our own statement when it comes too late. */
const lateErrno = 30_001
const refusedSignIn: ReadonlySet<number> = new Set([1045, 1698, 4151])
const lacksRights: ReadonlySet<number> = new Set([1044, 1142, 1227, 1410])

/** As MariaDB keeps it for `mysql_native_password`. */
const hashOf = (password: string): string => {
  const once = createHash("sha1").update(password, "utf8").digest()
  return `*${createHash("sha1").update(once).digest("hex").toUpperCase()}`
}

/** The library takes it; its types do not know it. */
const untypedOptions = { restrictedAuth: ["mysql_native_password", "client_ed25519", "parsec"] } as object

class DatabaseError {
  readonly _tag = "DatabaseError"
  readonly errno: number
  readonly text: string
  readonly isTimeout: boolean
  constructor(cause: unknown) {
    const { code, errno, sqlMessage } = (cause ?? {}) as { code?: string; errno?: number; sqlMessage?: string | null }
    this.errno = typeof errno === "number" ? errno : 0
    this.isTimeout = /TIMEOUT/u.test(code ?? "")
    // Its own words alone: the library's message repeats the statement.
    this.text = `${code ?? "unknown"} ${sqlMessage ?? ""}`
  }
  get isFromServer(): boolean {
    return this.errno >= 1_000 && this.errno < 40_000
  }
}

interface Account {
  readonly user: string
  readonly password: string
}

const connect = (plan: MariadbUserPlan, account: Account, timeoutMs: number) =>
  Effect.tryPromise({
    try: () =>
      createConnection({
        host: plan.host,
        port: plan.port,
        user: account.user,
        password: account.password,
        connectTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        ...(isLoopback(plan.host) && plan.ca === null
          ? {}
          : { ssl: { rejectUnauthorized: true, ...(plan.ca === null ? {} : { ca: plan.ca }) } }),
        // Nobody who answers in the server's place is told a password.
        ...untypedOptions,
        allowPublicKeyRetrieval: false,
        permitLocalInfile: false,
        multipleStatements: false,
        rowsAsArray: true
      }),
    catch: (cause) => new DatabaseError(cause)
  })

const run = (connection: Connection, sql: string) =>
  Effect.tryPromise({
    try: () => connection.query(sql) as Promise<ReadonlyArray<ReadonlyArray<unknown>>>,
    catch: (cause) => new DatabaseError(cause)
  })

const end = (connection: Connection) => Effect.sync(() => connection.destroy())

/** What a failure of the account that sets passwords means. */
const ofAdmin = (error: DatabaseError, secrets: ReadonlyArray<Secret | null>): StepAnswer => {
  const detail = rotatorDetail(error.text, secrets)
  if (error.isTimeout) return failed("timeout", false, detail)
  if (refusedSignIn.has(error.errno)) return failed("invalid_client", false, detail)
  if (lacksRights.has(error.errno)) return failed("unauthorized_client", true, detail)
  // No such account, a password that its rules do not take, and whatever else the server says of the statement.
  return error.errno === 1396 ? failed("unknown", true, detail) : failed("provider_down", false, detail)
}

/** Signs in with it. */
const signIn = (plan: MariadbUserPlan, { password, username }: Secret, timeoutMs: number) =>
  Effect.result(
    Effect.flatMap(connect(plan, { user: username ?? "", password: password ?? "" }, timeoutMs), (connection) =>
      Effect.ensuring(run(connection, "SELECT 1"), end(connection))
    )
  )

const late: StepAnswer = { _tag: "Late" }
const isOver = ({ mayBegin }: StepQuestion): Effect.Effect<boolean> => Effect.map(mayBegin, (left) => left === null)

/** One change of an account, by the account that sets passwords. Undefined: it is made. */
const change = Effect.fnUntraced(function* (
  plan: MariadbUserPlan,
  question: StepQuestion,
  user: string,
  clause: string,
  { marginMs, timeoutMs }: MariadbOptions
): Effect.fn.Return<StepAnswer | undefined> {
  if (yield* isOver(question)) return late
  const { current, mayBegin, secret } = question
  const secrets = [current, secret]
  const connected = yield* Effect.result(connect(plan, plan.admin, timeoutMs))
  if (Result.isFailure(connected)) return ofAdmin(connected.failure, secrets)
  const connection = connected.success
  const changing = Effect.gen(function* () {
    yield* run(connection, `SET SESSION time_zone = '+00:00', lock_wait_timeout = ${lockWaitSeconds}`)
    const [row = []] = yield* run(connection, "SELECT UNIX_TIMESTAMP(SYSDATE(6))")
    const clock = Number(row[0])
    const left = yield* mayBegin
    if (left === null || left <= marginMs) return late
    const deadline = (clock + (left - marginMs) / 1_000).toFixed(6)
    yield* run(
      connection,
      `BEGIN NOT ATOMIC
        IF UNIX_TIMESTAMP(SYSDATE(6)) < ${deadline} THEN
          ALTER USER '${user}'@'${plan.userHost}' ${clause};
        ELSE
          SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = ${lateErrno};
        END IF;
      END`
    )
    return undefined
  })
  return yield* Effect.ensuring(
    Effect.matchEffect(changing, {
      onSuccess: (answer) => Effect.succeed(answer),
      onFailure: (error) => Effect.succeed(error.errno === lateErrno ? late : ofAdmin(error, secrets))
    }),
    end(connection)
  )
})

export interface MariadbOptions {
  /** `host:port`. */
  readonly allowedHosts: ReadonlySet<string>
  readonly timeoutMs: number
  /** A statement begins this long before the claim's end, or not at all. */
  readonly marginMs: number
}

export const mariadbUser = Effect.fnUntraced(function* (
  question: StepQuestion,
  options: MariadbOptions
): Effect.fn.Return<StepAnswer> {
  const { current, inUse, secret, step, use } = question
  const planned = mariadbUserPlan(use, current)
  if (Result.isFailure(planned)) return failed("unknown", true, planned.failure.path)
  const plan = planned.success
  if (!options.allowedHosts.has(`${plan.host}:${plan.port}`)) return failed("blocked_url", false)
  const { timeoutMs } = options
  if (step === "prepare") {
    const password = randomBytes(passwordBytes).toString("base64url")
    return done({ ...current, username: otherUser(plan, current.username!), password })
  }
  const user = secret?.username
  if (secret === null || user === undefined || !plan.users.includes(user)) return failed("unknown", true)
  const detail = (error: DatabaseError) => rotatorDetail(error.text, [current, secret])
  switch (step) {
    case "set":
      return (
        (yield* change(
          plan,
          question,
          user,
          `IDENTIFIED BY PASSWORD '${hashOf(secret.password!)}' ACCOUNT UNLOCK`,
          options
        )) ?? done()
      )
    case "test": {
      if (yield* isOver(question)) return late
      const signedIn = yield* signIn(plan, secret, timeoutMs)
      if (Result.isSuccess(signedIn)) return done()
      const { failure } = signedIn
      return refusedSignIn.has(failure.errno)
        ? failed("invalid_grant", true, detail(failure))
        : failed(failure.isTimeout ? "timeout" : "provider_down", false, detail(failure))
    }
    case "retire":
    case "undo": {
      if (takingAway(user, inUse) === "lock") {
        const nobodys = hashOf(randomBytes(passwordBytes).toString("base64url"))
        const clause = `IDENTIFIED BY PASSWORD '${nobodys}' ACCOUNT LOCK`
        const answer = yield* change(plan, question, user, clause, options)
        if (answer !== undefined) return answer
      } else if (yield* isOver(question)) return late
      const signedIn = yield* signIn(plan, secret, timeoutMs)
      if (Result.isSuccess(signedIn)) return failed("unknown", false, "the old password still signs in")
      const { failure } = signedIn
      return refusedSignIn.has(failure.errno)
        ? done()
        : failed(failure.isTimeout ? "timeout" : "provider_down", false, detail(failure))
    }
  }
})
