-- Of PanDA's database those tables, with those columns, that the calls under test read.
CREATE SCHEMA doma_panda;
CREATE SCHEMA doma_pandameta;
CREATE TABLE doma_panda.mv_jobsactive4_stats (
  computingsite text, resource_type text, prodsourcelabel text, jobstatus text, num_of_jobs numeric
);
CREATE TABLE doma_panda.jobsdefined4 (computingsite text, resource_type text, prodsourcelabel text, jobstatus text);
CREATE TABLE doma_pandameta.users (name text, status text);
CREATE TABLE doma_panda.schedconfig_json (panda_queue text, data jsonb);
CREATE TABLE doma_panda.panda_site (panda_site_name text, site_name text);
CREATE TABLE doma_panda.site (site_name text, role text);
CREATE TABLE doma_panda.harvester_slots (
  pandaqueuename text, gshare text, resourcetype text, numslots int, expirationtime timestamp
);
CREATE TABLE doma_panda.ddm_endpoint (
  ddm_endpoint_name text, ddm_spacetoken_name text, type text, is_tape text, blacklisted text, blacklisted_write text,
  blacklisted_read text, detailed_status jsonb
);
CREATE TABLE doma_panda.panda_ddm_relation (
  panda_site_name text, ddm_endpoint_name text, roles text, is_local text, order_read int, order_write int,
  default_read text, default_write text, scope text
);
CREATE TABLE doma_panda.resource_types (
  resource_name text, mincore int, maxcore int, minrampercore int, maxrampercore int
);
