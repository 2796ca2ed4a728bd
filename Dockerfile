# The service alone: Node runs the TypeScript sources as they are, so nothing is built.
FROM node:24.21.0-bookworm-slim

WORKDIR /app
ENV NODE_ENV=production

COPY package.json package-lock.json .npmrc ./
# The `node` package is for machines with an older Node; the image has the right one.
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

COPY nats.conf ./
COPY src ./src

# The key file is mounted here, readable by the service's user alone.
RUN mkdir /keys && chown node:node /keys && chmod 700 /keys
USER node

# Ready since it was told, and not hung: the service touches this file every 5 seconds while it serves. Nothing else is written, so
# the root may be read-only where /tmp is a tmpfs. The gateway (node src/gatewayMain.ts) has no such file: ask its /health.
ENV CM_READY_FILE=/tmp/ready
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --start-interval=2s --retries=3 \
  CMD ["sh", "-c", "test -n \"$(find /tmp/ready -mmin -1)\""]

# SIGTERM reaches the service itself, which answers what it has in hand and ends.
CMD ["node", "--min-semi-space-size=16", "--import", "./src/launch/Resolution.ts", "src/main.ts"]
