/** The rows of applications and of the audit. */
import {
  ApplicationAnswer,
  ApplicationPage,
  ListApplications,
  RegisterApplication,
  RemoveApplication
} from "../schema/ApplicationJson.ts"
import { AuditPage, ListAudit, VerdictAnswer, VerifyAudit } from "../schema/AuditJson.ts"
import { Deleted } from "../schema/Field.ts"
import { pageParameters } from "./CredentialRows.ts"
import type { Row } from "./Row.ts"

const applications = "/api/v1/applications"
const audit = "/api/v1/audit"

export const otherRows: ReadonlyArray<Row> = [
  {
    method: "GET",
    path: applications,
    tag: "applications",
    about: "The tenant's applications, by name: all, or those that the bearer token's permissions name.",
    operation: "application.list",
    request: ListApplications,
    answer: ApplicationPage,
    statuses: [200],
    query: pageParameters,
    errors: ["INVALID_CURSOR"]
  },
  {
    method: "POST",
    path: applications,
    tag: "applications",
    about: "Registers an application; 200 when it is this tenant's already.",
    operation: "application.register",
    request: RegisterApplication,
    answer: ApplicationAnswer,
    statuses: [201, 200],
    body: { fields: { appName: "appName" }, required: ["appName"], example: { appName: "meters" } },
    errors: ["APPLICATION_EXISTS", "MANAGED_ELSEWHERE"]
  },
  {
    method: "DELETE",
    path: `${applications}/{appName}`,
    tag: "applications",
    about: "Removes an application; its tokens are revoked and deleted, their number is answered.",
    operation: "application.remove",
    request: RemoveApplication,
    answer: Deleted,
    statuses: [200],
    errors: ["APPLICATION_NOT_FOUND", "MANAGED_ELSEWHERE", "NOT_YET_IN_FORCE"]
  },
  {
    method: "GET",
    path: audit,
    tag: "audit",
    about: "Who did, read or was refused what, oldest first.",
    operation: "audit.list",
    request: ListAudit,
    answer: AuditPage,
    statuses: [200],
    query: [
      { name: "entityId", kind: "text", about: "Only about this token, credential, application or service" },
      { name: "from", kind: "bound", about: "From this date or number on" },
      { name: "to", kind: "bound", about: "Up to this date or number" },
      ...pageParameters
    ],
    errors: ["INVALID_CURSOR"]
  },
  {
    method: "POST",
    path: `${audit}/verify`,
    tag: "audit",
    about: "Whether the audit's chain holds; names the first link that does not.",
    operation: "audit.verify",
    request: VerifyAudit,
    answer: VerdictAnswer,
    statuses: [200],
    body: { fields: { from: "from", to: "to" }, required: [], example: {} },
    errors: ["LIMIT_REACHED"]
  }
]
