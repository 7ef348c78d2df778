#!/bin/sh
# Runs once, on an empty data folder: two roles and the clinic's database (docs/user-manual/operations.md, "A stand-alone runtime").
set -eu
owner_password=$(cat "${SECRETS:-/run/secrets}/owner_password")
app_password=$(cat "${SECRETS:-/run/secrets}/app_password")
psql --no-psqlrc -q -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres \
    -v owner_password="$owner_password" -v app_password="$app_password" <<'SQL'
CREATE ROLE clinic_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE clinic_app LOGIN PASSWORD :'app_password';
CREATE DATABASE clinic OWNER clinic_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE clinic FROM PUBLIC;
GRANT CONNECT ON DATABASE clinic TO clinic_app;
SQL
