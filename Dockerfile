# syntax=docker/dockerfile:1
# The farm and the reference bot: compiled JavaScript on Node 24, as a user without powers, on a root that may be read-only.
# PostgreSQL is yours: none is in here. Nothing in it depends on the processor, so every platform of the base will do:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag registry.example/stationgrid:0.1.0 --push .
#
# test/ops/image.test.ts takes these very steps, one by one, where there is no container engine.

# Compiling is the same for every platform, so it is done once, on the builder's own.
FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS compiled
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=optional --ignore-scripts
COPY . .
RUN node scripts/build.mjs

FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Optional are the embedded PostgreSQL and a Node for old machines: neither belongs here.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24.21.0-bookworm-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="StationGrid" \
      org.opencontainers.image.description="A bot farm for factory lines: DUT bots lease station work over gRPC." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=compiled /app/dist ./
ENV NODE_ENV=production
# A number, so that runAsNonRoot can see that it is not root's.
USER 10001:10001
EXPOSE 50051 8081 9090
# No shell in between: SIGTERM reaches the farm itself, which then stops in order.
ENTRYPOINT ["node", "/app/src/cli/stationgrid.mjs"]
CMD ["serve"]
