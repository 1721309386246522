select 'message ' || message_key || ' that is done without an answer' as broken
  from authorisations.messages where state = 'done' and response_code is null
