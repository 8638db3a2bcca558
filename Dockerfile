# One image for every process of vigia; the command says which:
#
#   node --enable-source-maps dist/api/main.js         (the default)
#   node --enable-source-maps dist/workers/main.js
#   node --enable-source-maps dist/scheduler/main.js
#   node --enable-source-maps dist/cli/main.js migrate
#
# The image holds no PostgreSQL: set DATABASE_URL. `docker-compose.yml` shows all parts together.

FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY ml ./ml
COPY shared ./shared
COPY db ./db
COPY api ./api
COPY workers ./workers
COPY scheduler ./scheduler
COPY cli ./cli
COPY web ./web
RUN npm run build && rm -f dist/.tsbuildinfo

FROM node:22-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Optional packages are the embedded PostgreSQL and faster builds of things that work without.
RUN npm ci --ignore-scripts --omit=dev --omit=optional && npm cache clean --force

FROM node:22-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    MODELS_STORAGE_PATH=/var/lib/vigia/models
WORKDIR /app
# Owned by root: the process may run its code, not change it.
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY cli/demo/data ./cli/demo/data
COPY deploy/healthcheck.mjs ./deploy/healthcheck.mjs
# A new volume takes over the owner of the folder it covers.
RUN mkdir -p /var/lib/vigia/models && chown node:node /var/lib/vigia /var/lib/vigia/models
USER node
VOLUME /var/lib/vigia/models
EXPOSE 8080
# Of the API; the other processes are asked on METRICS_PORT (docker-compose.yml).
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
  CMD ["node", "deploy/healthcheck.mjs", "http://127.0.0.1:8080/livez"]
# Exec form: node is process 1 and gets SIGTERM itself; it drains within 25 s.
CMD ["node", "--enable-source-maps", "dist/api/main.js"]
