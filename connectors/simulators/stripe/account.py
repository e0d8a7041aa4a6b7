"""The company's sales as a Stripe account: objects as the API reference shows them, newest first, built once. Pure.

On purpose: two objects created in the same second, canceled subscriptions, refunded and failed charges, amounts beyond
32 bits, customers without an email address.
"""

from __future__ import annotations

from connectors.simulators.company import Company
from connectors.simulators.plain_rest import Node, made_id

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CURRENCIES = ("usd", "eur", "jpy")
_SUBSCRIBED = ("active", "past_due", "canceled", "trialing")
_INVOICED = ("paid", "open", "draft", "void", "uncollectible")


class Account:
    """All objects of an account, by the last part of their path."""

    def __init__(self, company: Company) -> None:
        self._now_s = int(company.epoch.timestamp())
        count = company.issues
        self.products = [
            self._made("prod", at, 40 - at, object="product", name=f"Plan {at}", active=at % 3 != 2,
                       description=f"The plan {at}" if at % 2 else None,
                       default_price=f"price_{at}" if at % 2 else None, metadata={}, updated=self._now_s - at,
                       type="service")
            for at in range(8)
        ]  # fmt: skip
        self.prices = [
            self._made("price", at, 39 - at // 2, object="price", active=at % 4 != 3, currency=_CURRENCIES[at % 3],
                       product=self.products[at % 8]["id"], type="recurring" if at % 2 else "one_time",
                       unit_amount=None if at == 5 else 1000 * (at + 1), nickname=f"price {at}" if at % 2 else None,
                       lookup_key=f"key{at}" if at % 5 == 0 else None, metadata={},
                       recurring={"interval": "month", "interval_count": 1} if at % 2 else None)
            for at in range(16)
        ]  # fmt: skip
        self.customers = [
            self._made("cus", at, at // 2 * 5, object="customer", name=f"Customer {at}",
                       description="Reseller" if at % 4 == 0 else None, phone="+49 30 1" if at % 3 == 0 else None,
                       email=None if at % 5 == 4 else f"Buyer{at % 11}@customer{at}.example", balance=-at * 10,
                       currency=_CURRENCIES[at % 3], delinquent=at % 6 == 1,
                       metadata={"crm": str(at)} if at % 2 else {})
            for at in range(max(30, count // 3))
        ]  # fmt: skip
        self.subscriptions = [self._subscription(at) for at in range(max(24, count // 4))]
        self.subscription_items = {
            each["id"]: [
                self._made("si", (at, step), at, object="subscription_item", quantity=step + 1, subscription=each["id"],
                           price=self.prices[(at + step) % 16], metadata={})
                for step in range(1 + at % 3)
            ]
            for at, each in enumerate(self.subscriptions)
        }  # fmt: skip
        self.invoices = [self._invoice(at) for at in range(max(30, count // 2))]
        self.lines = {
            each["id"]: [
                {"id": made_id("il", at, step, length=27, start="il_", alphabet=_ALPHABET), "object": "line_item",
                 "amount": 500 * step, "currency": each["currency"], "description": f"Line {step}", "quantity": 1,
                 "invoice": each["id"], "period": {"start": each["created"], "end": each["created"] + 86_400},
                 "proration": False, "metadata": {}}
                for step in range(1 + at % 4)
            ]
            for at, each in enumerate(self.invoices)
        }  # fmt: skip
        self._sell(count)

    def _sell(self, count: int) -> None:
        self.payment_intents = [
            self._made("pi", at, at * 3 + 1, object="payment_intent", amount=3_000_000_000 + at, amount_received=at,
                       currency=_CURRENCIES[at % 3], customer=self._customer(at),
                       description=f"Order {at}" if at % 2 else None, metadata={},
                       status=("succeeded", "requires_payment_method", "canceled")[at % 3],
                       latest_charge=f"ch_{at}" if at % 3 == 0 else None)
            for at in range(max(30, count))
        ]  # fmt: skip
        self.charges = [
            self._made("ch", at, at * 3, object="charge", amount=3_000_000_000 + at, currency=_CURRENCIES[at % 3],
                       amount_refunded=100 if at % 4 == 0 else 0, customer=self._customer(at), paid=at % 7 != 6,
                       captured=True, refunded=False, disputed=at % 9 == 8,
                       invoice=self.invoices[at % 30]["id"] if at % 3 else None, description=f"Order {at}",
                       status="failed" if at % 7 == 6 else "succeeded",
                       failure_code="card_declined" if at % 7 == 6 else None, metadata={},
                       payment_intent=self.payment_intents[at]["id"],
                       receipt_email="buyer@example.com" if at % 2 else None)
            for at in range(max(30, count))
        ]  # fmt: skip
        self.refunds = [
            self._made("re", at, at * 4, object="refund", amount=100, currency=each["currency"], charge=each["id"],
                       payment_intent=each["payment_intent"], reason="duplicate" if at % 2 else None,
                       status="succeeded", metadata={})
            for at, each in enumerate(self.charges[::4])
        ]  # fmt: skip
        self.balance_transactions = [
            self._made("txn", at, at * 3, object="balance_transaction", amount=each["amount"], fee=30, net=1,
                       currency=each["currency"], type="charge" if at % 5 else "refund", source=each["id"],
                       status="available", available_on=self._now_s,
                       description=f"Order {at}" if at % 2 else None)
            for at, each in enumerate(self.charges)
        ]  # fmt: skip

    def _subscription(self, at: int) -> Node:
        status = _SUBSCRIBED[at % 4]
        ended = self._now_s - at * 60 if status == "canceled" else None
        return self._made(
            "sub", at, at * 11, object="subscription", customer=self.customers[at % 20]["id"], status=status,
            cancel_at_period_end=False, canceled_at=ended, ended_at=ended, currency="usd", metadata={},
            collection_method="charge_automatically", start_date=self._now_s - at * 11 * 3_600,
            current_period_start=self._now_s - 86_400, current_period_end=self._now_s + 86_400,
            trial_end=self._now_s + 86_400 if status == "trialing" else None,
        )  # fmt: skip

    def _invoice(self, at: int) -> Node:
        status = _INVOICED[at % 5]
        return self._made(
            "in", at, at * 7, object="invoice", customer=self.customers[at % 20]["id"], status=status,
            number=None if status == "draft" else f"ACME-{at:04d}", currency=_CURRENCIES[at % 3],
            subscription=self.subscriptions[at % 24]["id"] if at % 2 else None, total=500 * at, subtotal=500 * at,
            amount_due=500 * at, amount_paid=500 * at if status == "paid" else 0, amount_remaining=0,
            collection_method="send_invoice" if at % 3 else "charge_automatically", metadata={},
            due_date=self._now_s + at * 60 if at % 3 else None, hosted_invoice_url=None if at % 2 else f"https://invoice.stripe.com/i/{at}",
        )  # fmt: skip

    def _customer(self, at: int) -> str | None:
        return self.customers[at % 25]["id"] if at % 6 else None

    def _made(self, start: str, key: object, hours: int, **fields: object) -> Node:
        found = made_id(start, key, length=len(start) + 15, start=f"{start}_", alphabet=_ALPHABET)
        return {"id": found, **fields, "created": self._now_s - hours * 3_600, "livemode": False}
