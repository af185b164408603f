const id = { type: "string", format: "uuid" };
const body = (required: readonly string[], properties: object) => ({
  ...{ type: "object", required, additionalProperties: false, properties },
});

export const listQuery = {
  type: "object",
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 1000 },
    after: id,
    restaurant_id: id,
    sort: { enum: ["-created_at"] },
    expand: { enum: ["restaurant"] },
  },
};

export const drinkBody = body(["name", "price"], {
  name: { type: "string", minLength: 1, maxLength: 100 },
  price: { type: "number", minimum: 0 },
});

export interface OrderBody {
  readonly restaurant_id: string;
  readonly items: readonly { readonly menu_item_id: string; readonly quantity: number }[];
  readonly promotion_code?: string;
}
export const orderBody = body(["restaurant_id", "items"], {
  restaurant_id: id,
  promotion_code: { type: "string", maxLength: 32 },
  items: {
    type: "array",
    minItems: 1,
    maxItems: 50,
    items: body(["menu_item_id", "quantity"], {
      menu_item_id: id,
      quantity: { type: "integer", minimum: 1, maximum: 50 },
    }),
  },
});

export interface TransferBody {
  readonly from_wallet_id: string;
  readonly to_wallet_id: string;
  readonly amount: number;
}
export const transferBody = body(["from_wallet_id", "to_wallet_id", "amount"], {
  from_wallet_id: id,
  to_wallet_id: id,
  amount: { type: "number", exclusiveMinimum: 0 },
});
