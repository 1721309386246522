select 'a finished chunk that still holds card data' as broken
  from migrations.chunks where state = 'done' and payload is not null
