select 'client ' || client_id || ' has no secret without an end' as broken
  from access.clients
 where revoked_at is null
   and not exists (select from access.secrets where secrets.client_id = clients.client_id and valid_until is null)
union all
select 'client ' || client_id || ' is revoked and has secrets'
  from access.clients
 where revoked_at is not null and exists (select from access.secrets where secrets.client_id = clients.client_id)
