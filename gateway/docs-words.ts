export type Language = 'en' | 'es';

/** What the page for readers says, besides what comes from the declarations. */
export const words = {
  en: {
    name: 'English',
    title: 'API reference',
    skip: 'Skip to the content',
    document: 'OpenAPI document',
    begin: 'How to begin',
    beginText: 'Get a token with the id and the secret of your client. It is good for this host alone.',
    sendText:
      'Send it with each request as <code>Authorization: Bearer TOKEN</code>, and get a new one when it expires.',
    operations: 'Operations',
    none: 'Nothing is public here yet.',
    needs: 'Needs the scope',
    byKey:
      'Send <code>Idempotency-Key</code>: a repeat with the same key does nothing twice and gets the same answer.',
    byContent: 'The same request again does nothing twice: it is known by its content.',
    harmless: 'It changes nothing, so it may be repeated.',
    params: 'Parameters in the path',
    query: 'Parameters in the query',
    body: 'Body',
    reply: 'Answer',
    scopes: 'Scopes',
    scope: 'Scope',
    goodFor: 'Good for',
    problems: 'Problems',
    problemsText:
      'What goes wrong is told as <code>application/problem+json</code>. Decide by <code>code</code>; <code>detail</code> is for people. Operations have codes of their own besides these.',
    code: 'Code',
    status: 'Status',
    whatToDo: 'What it means and what to do',
  },
  es: {
    name: 'Español',
    title: 'Referencia de la API',
    skip: 'Ir al contenido',
    document: 'Documento OpenAPI',
    begin: 'Cómo empezar',
    beginText:
      'Pide un token con el identificador y el secreto de tu cliente. Solo sirve para este nombre de host.',
    sendText:
      'Envíalo en cada petición como <code>Authorization: Bearer TOKEN</code> y pide otro cuando caduque.',
    operations: 'Operaciones',
    none: 'Aquí todavía no hay nada público.',
    needs: 'Requiere el permiso',
    byKey:
      'Envía <code>Idempotency-Key</code>: si repites la petición con la misma clave, nada se hace dos veces y recibes la misma respuesta.',
    byContent: 'Repetir la misma petición no hace nada dos veces: se reconoce por su contenido.',
    harmless: 'No cambia nada, así que se puede repetir.',
    params: 'Parámetros de la ruta',
    query: 'Parámetros de la consulta',
    body: 'Cuerpo',
    reply: 'Respuesta',
    scopes: 'Permisos',
    scope: 'Permiso',
    goodFor: 'Sirve para',
    problems: 'Problemas',
    problemsText:
      'Lo que sale mal se comunica como <code>application/problem+json</code>. Los programas deben guiarse por <code>code</code>; <code>detail</code> es para las personas. Las operaciones tienen además códigos propios.',
    code: 'Código',
    status: 'Estado',
    whatToDo: 'Qué significa y qué hacer',
  },
} as const satisfies Record<Language, Record<string, string>>;
