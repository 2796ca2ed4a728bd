/** `application.*`: what travels. */
import { Schema } from "effect"
import type { Application } from "../domain/Tenant.ts"
import { AnsweredDate, AppName, Cursor, Limit, page } from "./Field.ts"
import { formatDate } from "./Timestamp.ts"

export const RegisterApplication = Schema.Struct({ appName: AppName })
export const ListApplications = Schema.Struct({ limit: Limit, cursor: Cursor })
export const RemoveApplication = Schema.Struct({ appName: AppName })

export const ApplicationAnswer = Schema.Struct({ appName: Schema.String, createdDate: AnsweredDate })
export type ApplicationAnswer = typeof ApplicationAnswer.Type
export const ApplicationPage = page(ApplicationAnswer)

export const encodeApplication = (application: Application): ApplicationAnswer => ({
  appName: application.appName,
  createdDate: formatDate(application.createdAt)
})
