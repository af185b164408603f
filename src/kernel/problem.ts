/** A text in every language that Gesta speaks to a client. */
export interface Text {
  readonly en: string;
  readonly ru: string;
}

export interface ProblemKind {
  readonly status: number;
  readonly title: Text;
  /** What the caller should do; shown on the page behind the problem's `type`. */
  readonly help: Text;
}

/**
 * Every refusal that a client can meet: the one table of stable codes.
 * docs/problems.md lists the same codes; a test holds the two together.
 */
export const problems = {
  malformed: {
    status: 400,
    title: { en: "The request cannot be read", ru: "Запрос не удалось прочитать" },
    help: {
      en: "Send UTF-8 without a byte order mark, valid JSON or form encoding, no key twice, at most 32 levels deep.",
      ru: "Отправьте UTF-8 без BOM, правильный JSON или форму, без повторных ключей, не глубже 32 уровней.",
    },
  },
  invalid_query: {
    status: 400,
    title: { en: "A query parameter is wrong", ru: "Неверный параметр запроса" },
    help: {
      en: "Each entry of `errors` names a parameter and what is wrong with it.",
      ru: "Каждая запись в `errors` называет параметр и ошибку в нём.",
    },
  },
  idempotency_key_required: {
    status: 400,
    title: { en: "This operation needs an Idempotency-Key", ru: "Для этой операции нужен Idempotency-Key" },
    help: {
      en: "Send `Idempotency-Key` with a value of your own, a UUID for one, and the same value when you repeat.",
      ru: "Передайте `Idempotency-Key` со своим значением, например UUID, и то же значение при повторе.",
    },
  },
  idempotency_key_invalid: {
    status: 400,
    title: { en: "The Idempotency-Key cannot be used", ru: "Такой Idempotency-Key не подходит" },
    help: {
      en: "Send it once: 1 to 255 visible ASCII characters, at least 16 without a token, in quotes or bare.",
      ru: "Передайте его один раз: от 1 до 255 видимых знаков ASCII, без токена не меньше 16, в кавычках или без.",
    },
  },
  unauthenticated: {
    status: 401,
    title: { en: "Sign in first", ru: "Требуется вход" },
    help: {
      en: "Send `Authorization: Bearer <token>` with a valid token of an active user.",
      ru: "Передайте `Authorization: Bearer <токен>` с действующим токеном активного пользователя.",
    },
  },
  forbidden: {
    status: 403,
    title: { en: "You may not do this", ru: "Это действие вам не разрешено" },
    help: {
      en: "The action exists, but it is not yours to do.",
      ru: "Такое действие есть, но выполнять его можете не вы.",
    },
  },
  not_found: {
    status: 404,
    title: { en: "Not found", ru: "Не найдено" },
    help: {
      en: "There is no such address, or no such record that you may see.",
      ru: "Нет такого адреса или записи, которую вам можно видеть.",
    },
  },
  method_not_allowed: {
    status: 405,
    title: { en: "This address does not take this method", ru: "Метод здесь не поддерживается" },
    help: {
      en: "The `Allow` header lists the methods that it takes.",
      ru: "Заголовок `Allow` перечисляет допустимые методы.",
    },
  },
  transition_not_allowed: {
    status: 409,
    title: { en: "The state does not allow this action", ru: "Состояние не допускает это действие" },
    help: {
      en: "`status_now` is the state of the record, `allowed_actions` what is possible from it.",
      ru: "`status_now` — состояние записи, `allowed_actions` — что из него возможно.",
    },
  },
  conflict: {
    status: 409,
    title: { en: "The change conflicts with another one", ru: "Изменение противоречит другому" },
    help: { en: "Read the record again and repeat.", ru: "Прочитайте запись заново и повторите." },
  },
  confirmation_required: {
    status: 409,
    title: { en: "This must be confirmed first", ru: "Сначала нужно подтверждение" },
    help: {
      en: "Ask `impact`, look at what it touches, and repeat with `?confirm=` and the token that it gave, within 15 minutes.",
      ru: "Запросите `impact`, посмотрите, что затронуто, и повторите с `?confirm=` и полученным там токеном в течение 15 минут.",
    },
  },
  blocked_by_references: {
    status: 409,
    title: { en: "Other records refer to it", ru: "На запись ссылаются другие" },
    help: {
      en: "`blocked_by` counts them by field. Delete them or let them refer to another record first.",
      ru: "`blocked_by` считает их по полям. Сначала удалите их или укажите в них другую запись.",
    },
  },
  insufficient_funds: {
    status: 409,
    title: { en: "There is not enough money", ru: "Недостаточно средств" },
    help: {
      en: "Nothing was moved. Top the wallet up or choose a smaller amount.",
      ru: "Ничего не переведено. Пополните кошелёк или уменьшите сумму.",
    },
  },
  idempotency_in_flight: {
    status: 409,
    title: { en: "The same request is being done", ru: "Такой же запрос уже выполняется" },
    help: {
      en: "Repeat it with the same key after the seconds in `Retry-After` to get its answer.",
      ru: "Повторите с тем же ключом через указанное в `Retry-After` число секунд, чтобы получить ответ.",
    },
  },
  unique: {
    status: 409,
    title: { en: "The value is already taken", ru: "Значение уже занято" },
    help: {
      en: "Choose another value for the field that `errors` names.",
      ru: "Выберите другое значение поля, названного в `errors`.",
    },
  },
  gone: {
    status: 410,
    title: { en: "The record was deleted", ru: "Запись удалена" },
    help: {
      en: "`deleted_at` tells when. A deleted record takes no changes.",
      ru: "`deleted_at` говорит когда. Удалённая запись не меняется.",
    },
  },
  stale: {
    status: 412,
    title: { en: "The record has changed since you read it", ru: "Запись изменилась с тех пор, как вы её прочитали" },
    help: {
      en: "`versions` holds yours and the current one. Read again and repeat with the new ETag.",
      ru: "`versions` содержит вашу и текущую версии. Прочитайте заново и повторите с новым ETag.",
    },
  },
  too_large: {
    status: 413,
    title: { en: "The body is too large", ru: "Тело запроса слишком велико" },
    help: { en: "A body may have at most 1 MB.", ru: "Тело запроса — не больше 1 МБ." },
  },
  unsupported_media_type: {
    status: 415,
    title: { en: "This content type is not supported", ru: "Тип содержимого не поддерживается" },
    help: {
      en: "Send `application/json` or `application/x-www-form-urlencoded`.",
      ru: "Отправьте `application/json` или `application/x-www-form-urlencoded`.",
    },
  },
  invalid: {
    status: 422,
    title: { en: "The data is not valid", ru: "Данные неверны" },
    help: {
      en: "`errors` names every failure: where (`pointer`), which rule (`code`) and what to do.",
      ru: "`errors` называет каждую ошибку: где (`pointer`), какое правило (`code`) и что делать.",
    },
  },
  bulk_refused: {
    status: 422,
    title: { en: "Some of the items cannot be done", ru: "Часть элементов выполнить нельзя" },
    help: {
      en: 'Nothing was stored. `results` holds the problem of each bad item; mend them, or send `"mode": "partial"`.',
      ru: 'Ничего не сохранено. `results` содержит проблему каждого неверного элемента; исправьте их или передайте `"mode": "partial"`.',
    },
  },
  idempotency_mismatch: {
    status: 422,
    title: { en: "The key was used for another request", ru: "Ключ уже использован для другого запроса" },
    help: {
      en: "Choose a new `Idempotency-Key`, or repeat exactly what was sent with this one.",
      ru: "Выберите новый `Idempotency-Key` или повторите в точности прежний запрос.",
    },
  },
  precondition_required: {
    status: 428,
    title: { en: "This change needs If-Match", ru: "Для этого изменения нужен If-Match" },
    help: {
      en: "Read the record and send its ETag in `If-Match`.",
      ru: "Прочитайте запись и передайте её ETag в `If-Match`.",
    },
  },
  rate_limited: {
    status: 429,
    title: { en: "Too many attempts", ru: "Слишком много попыток" },
    help: {
      en: "Repeat after the seconds in `Retry-After`.",
      ru: "Повторите через указанное в `Retry-After` число секунд.",
    },
  },
  headers_too_large: {
    status: 431,
    title: { en: "The request headers are too large", ru: "Слишком большие заголовки запроса" },
    help: { en: "Send at most 16 kB of headers.", ru: "Отправьте не более 16 кБ заголовков." },
  },
  internal: {
    status: 500,
    title: { en: "Something went wrong on our side", ru: "Ошибка на нашей стороне" },
    help: {
      en: "Nothing was stored. Report the request id.",
      ru: "Ничего не сохранено. Сообщите идентификатор запроса.",
    },
  },
  overloaded: {
    status: 503,
    title: { en: "The service is busy or its database is away", ru: "Сервис занят или база данных недоступна" },
    help: {
      en: "Nothing was stored. Repeat after the seconds in `Retry-After`.",
      ru: "Ничего не сохранено. Повторите через указанное в `Retry-After` число секунд.",
    },
  },
  outcome_unknown: {
    status: 503,
    title: { en: "The outcome is not known", ru: "Исход неизвестен" },
    help: {
      en: "The database was lost while it stored the change. Repeat with the same `Idempotency-Key`; without one, read first.",
      ru: "Связь с базой пропала во время записи. Повторите с тем же `Idempotency-Key`; без него сначала прочитайте.",
    },
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problems;
