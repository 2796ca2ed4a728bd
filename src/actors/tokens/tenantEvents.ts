/** What is announced of a tenant itself, when it is in force: that it is configured otherwise, that it has gone. */
import type { EventWriter } from "../tenant/TokenEvents.ts"

export const tenantEvents = (events: EventWriter["Service"]) => {
  const event = (type: "tenant.unregistered" | "tenant.updated") => (tenantId: string, version: number, at: number) =>
    events.json({
      tenantId,
      type,
      entityKey: `tenant/${tenantId}`,
      subject: tenantId,
      version,
      at,
      data: { eventType: type, tenantId, timestamp: events.iso(at) },
      afterRevocation: true
    })
  return { unregistered: event("tenant.unregistered"), updated: event("tenant.updated") }
}
