# The service alone: Node runs the TypeScript sources as they are, so nothing is built.
FROM node:24.21.0-bookworm-slim

WORKDIR /app
ENV NODE_ENV=production

COPY package.json package-lock.json .npmrc ./
# The `node` package is for machines with an older Node; the image has the right one.
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

COPY nats.conf ./
COPY src ./src

# The key file is mounted here, readable by the service's user alone. Nothing else needs to be written: the root may be read-only.
RUN mkdir /keys && chown node:node /keys && chmod 700 /keys
USER node

# SIGTERM reaches the service itself, which answers what it has in hand and ends.
CMD ["node", "--min-semi-space-size=16", "--import", "./src/launch/Resolution.ts", "src/main.ts"]
