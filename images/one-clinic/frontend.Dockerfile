# syntax=docker/dockerfile:1.7
# What browsers load. The pages are the backend's own; a bundle built by `dentalpin modules rebuild-frontend` is served from /srv.
FROM caddy:2.10-alpine
LABEL org.opencontainers.image.title="DentalPin frontend" org.opencontainers.image.licenses="Apache-2.0"
COPY images/one-clinic/Caddyfile /etc/caddy/Caddyfile
USER 10001:10001
EXPOSE 8080
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
