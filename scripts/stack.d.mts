/** The types of stack.mjs, for the tests. */

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

export interface Child {
  readonly name: string
  readonly pid: number
  readonly logFile: string
  /** Resolves when the process has ended, whatever the reason. */
  readonly exited: Promise<Ended>
  readonly hasEnded: () => boolean
  readonly kill: (signal: NodeJS.Signals) => void
  /** SIGTERM, some seconds of grace, SIGKILL; resolves when it is gone; may be called again. */
  readonly stop: () => Promise<Ended>
  readonly lastLogLines: (count?: number) => ReadonlyArray<string>
}

export interface Server extends Child {
  readonly port: number
  readonly url: string
}

export interface NatsOptions {
  readonly dir: string
  /** Without one: a plain server with JetStream and no users. The file has `server_name: $CM_NATS_NAME`. */
  readonly configFile?: string
  readonly env?: Readonly<Record<string, string>>
  /** The port it must have; with `mayMove` only a wish. */
  readonly port?: number
  readonly mayMove?: boolean
  /** Unique in a cluster; default `nats-<port>`. */
  readonly name?: string
  readonly args?: ReadonlyArray<string>
  readonly binary?: string
  readonly logFile?: string
  /** Told of each process that is started, also of one that does not get its port. */
  readonly onStart?: (child: Child) => void
}

export interface MariadbOptions {
  readonly dir: string
  readonly port?: number
  readonly mayMove?: boolean
  readonly user?: string
  readonly password?: string
  readonly database?: string
  readonly mayCreateDatabases?: boolean
  readonly args?: ReadonlyArray<string>
  readonly binaries?: { readonly server: string; readonly install: string }
  readonly logFile?: string
  /** Told of each process that is started, also of one that does not get its port. */
  readonly onStart?: (child: Child) => void
}

/** Where Node keeps the compiled modules of what runs from this checkout. */
export const compileCache: string
/** Before the file to run, wherever the service is started. */
export const nodeArguments: ReadonlyArray<string>
export const freePort: () => Promise<number>
export const findNatsServer: () => string | undefined
export const findMariadb: () => { readonly server: string; readonly install: string } | undefined
export const startNats: (options: NatsOptions) => Promise<Server>
export const startMariadb: (options: MariadbOptions) => Promise<Server>
export const makeMariadbData: (data: string) => Promise<void>
/** The users of nats.conf. */
export const busUsers: ReadonlyArray<string>
export const newPasswords: () => Record<string, string>
/** What nats.conf reads from the environment beside port and folder. */
export const busEnvironment: (passwords: Readonly<Record<string, string>>) => Record<string, string>
/** The text of nats.conf for another instance than `cm`. */
export const configFor: (text: string, instance: string) => string
/** Has the process ended when this one is no more, however that came about. */
export const watchOver: (child: import("node:child_process").ChildProcess) => void
