/**
 * A bus of tests with an account for each role, for any instance: what nats.conf is, without its
 * permissions.
 *
 * Whoever gives no user is in the service's account CM and may say and hear everything there: replicas,
 * communication services, tests of streams and buckets. Administrators and consumers come from accounts
 * of their own, as they do in production, and are known to the service by account and user. A user's
 * password is its name.
 */

export const administrator = "tester"
export const consumers = ["mail", "chat", "whatsapp", "mallory"] as const

const user = (name: string) => `{ user: "${name}", password: "${name}" }`
const requests = ["*.v1.>", "*.admin.v1.>", "*.gateway.v1.>"]
const secrets = ["*.v1.*.credential.get.*", "*.v1.*.credential.describe"]
const exported = (subjects: ReadonlyArray<string>, account: string) =>
  subjects.map((subject) => `{ service: "${subject}", accounts: [${account}], response_threshold: "160s" }`)
const imported = (subjects: ReadonlyArray<string>) =>
  subjects.map((subject) => `{ service: { account: CM, subject: "${subject}" }, share: true }`)

/**
 * Reads CM_NATS_PORT, CM_NATS_NAME and CM_NATS_STORE_DIR; `more` is added at its end. The streams of all instances of a test run
 * reserve more than they ever hold, and more than the three quarters of a small disk that a server gives by itself.
 */
export const roleAccounts = (more = ""): string => `
host: 127.0.0.1
port: $CM_NATS_PORT
server_name: $CM_NATS_NAME
max_payload: 8MB
jetstream { store_dir: $CM_NATS_STORE_DIR, sync_interval: always, max_file_store: 1TB }
no_auth_user: inside
accounts {
  CM {
    jetstream: enabled
    users: [${user("inside")}]
    exports: [${[...exported(requests, "ADMIN"), ...exported(secrets, "CONSUMERS")].join(", ")}]
  }
  ADMIN {
    users: [${[administrator, "tester2"].map(user).join(", ")}]
    imports: [${imported(requests).join(", ")}]
  }
  CONSUMERS {
    users: [${consumers.map(user).join(", ")}]
    imports: [${imported(secrets).join(", ")}]
  }
}
${more}
`
