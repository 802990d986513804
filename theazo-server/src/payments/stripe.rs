//! Stripe: customers, pages for paying, pages for changing what is paid, and subscriptions.

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};
use theazo_api::{BillingPlan, SubscriptionStatus, Timestamp};

use super::{PaymentError, StripeConfig, Subscription};
use crate::outbound::{AddressRules, DomainRules, Guard, Limits, OutboundClient, Outgoing};

/// A client of Stripe.
pub struct Stripe {
    config: StripeConfig,
    client: OutboundClient,
}

#[derive(Deserialize)]
struct Page {
    url: String,
}

#[derive(Deserialize)]
struct Customer {
    id: String,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct StripeSubscription {
    id: String,
    status: String,
    #[serde(default)]
    cancel_at_period_end: bool,
    /// Where Stripe said it until 2025; since then each item says it.
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
    items: List<Item>,
}

#[derive(Deserialize)]
struct Item {
    price: Price,
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

#[derive(Deserialize)]
struct Price {
    id: String,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Deserialize)]
struct FailureDetail {
    message: Option<String>,
}

impl Stripe {
    /// A client. Its address is the operator's, so it may be a private one.
    pub fn new(config: StripeConfig) -> Self {
        let client = OutboundClient::new(Guard::new(AddressRules { allow_private: true }));
        Self { config, client }
    }

    /// The price of a plan, if it is sold on a page.
    pub fn price_of(&self, plan: &BillingPlan) -> Option<&str> {
        match plan {
            BillingPlan::Pro => Some(&self.config.pro_price),
            BillingPlan::Enterprise => self.config.enterprise_price.as_deref(),
            _ => None,
        }
    }

    /// Makes the customer of an account; asked again it is the same one.
    pub async fn customer(&self, account_id: &str) -> Result<String, PaymentError> {
        let form = [("metadata[theazo_account]", account_id)];
        let key = format!("theazo-customer-{account_id}");
        Ok(self.post::<Customer>("/v1/customers", &form, Some(&key)).await?.id)
    }

    /// A page on which a customer subscribes at a price. With the same `key` it is the same page.
    pub async fn checkout(
        &self,
        customer: &str,
        price: &str,
        (success_url, cancel_url): (&str, &str),
        key: Option<&str>,
    ) -> Result<String, PaymentError> {
        let form = [
            ("mode", "subscription"),
            ("customer", customer),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", "1"),
            ("success_url", success_url),
            ("cancel_url", cancel_url),
        ];
        Ok(self.post::<Page>("/v1/checkout/sessions", &form, key).await?.url)
    }

    /// A page on which a customer changes plan and payment method.
    pub async fn portal(&self, customer: &str) -> Result<String, PaymentError> {
        Ok(self.post::<Page>("/v1/billing_portal/sessions", &[("customer", customer)], None).await?.url)
    }

    /// The newest subscription of a customer that was ever in force.
    pub async fn subscription(&self, customer: &str) -> Result<Option<Subscription>, PaymentError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("customer", customer), ("status", "all"), ("limit", "20")])
            .finish();
        let found: List<StripeSubscription> =
            self.send(Method::GET, &format!("/v1/subscriptions?{query}"), Vec::new(), None).await?;
        Ok(found.data.into_iter().find_map(|subscription| self.read_subscription(subscription)))
    }

    fn read_subscription(&self, subscription: StripeSubscription) -> Option<Subscription> {
        let status = match subscription.status.as_str() {
            "active" => SubscriptionStatus::Active,
            "trialing" => SubscriptionStatus::Trialing,
            "past_due" | "unpaid" | "paused" => SubscriptionStatus::PastDue,
            "canceled" => SubscriptionStatus::Cancelled,
            // Its first payment never came.
            _ => return None,
        };
        let item = subscription.items.data.first()?;
        let is_enterprise = self.config.enterprise_price.as_ref() == Some(&item.price.id);
        let time = |of_all: Option<i64>, of_item: Option<i64>| {
            Timestamp::from_millis(of_all.or(of_item).unwrap_or(0).saturating_mul(1000))
        };
        Some(Subscription {
            plan: if is_enterprise { BillingPlan::Enterprise } else { BillingPlan::Pro },
            status,
            period_start: time(subscription.current_period_start, item.current_period_start),
            period_end: time(subscription.current_period_end, item.current_period_end),
            cancel_at_period_end: subscription.cancel_at_period_end,
            id: subscription.id,
        })
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> Result<T, PaymentError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::POST, path, body.into_bytes(), key).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        key: Option<&str>,
    ) -> Result<T, PaymentError> {
        let unreachable = |reason: &dyn std::fmt::Display| PaymentError::Unreachable(reason.to_string());
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.config.secret_key.expose());
        let mut bearer =
            HeaderValue::try_from(bearer).map_err(|_| PaymentError::Refused("the key is not text".to_owned()))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(key) = key.and_then(|key| HeaderValue::try_from(key).ok()) {
            headers.insert(HeaderName::from_static("idempotency-key"), key);
        }
        let url = format!("{}{path}", self.config.base_url.trim_end_matches('/'));
        let limits = Limits { redirects: 0, ..Limits::default() };
        let request = Outgoing { method, url, headers, body };
        let answer =
            self.client.send(request, &DomainRules::default(), limits).await.map_err(|error| unreachable(&error))?;
        match answer.status {
            200..=299 => serde_json::from_slice(&answer.body).map_err(|error| unreachable(&error)),
            // What it says repeats a part of the key.
            401 | 403 => Err(PaymentError::Refused("its secret key is not accepted".to_owned())),
            status @ 400..=499 => {
                let said = serde_json::from_slice::<Failure>(&answer.body).ok().and_then(|said| said.error.message);
                Err(PaymentError::Refused(said.unwrap_or_else(|| format!("status {status}"))))
            }
            status => Err(unreachable(&format!("status {status}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Json, Router, extract::Request, http::StatusCode};
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use theazo_api::Secret;

    use super::*;

    /// What Stripe was asked: method and path, key, and form.
    type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

    /// A server that answers as Stripe does.
    async fn stripe(key: &str) -> (Stripe, Asked) {
        let asked = Asked::default();
        let seen = asked.clone();
        let router = Router::new().fallback(move |request: Request| {
            let seen = seen.clone();
            async move {
                let headers = request.headers().clone();
                let header =
                    |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
                let call = format!("{} {}", request.method(), request.uri());
                let (authorization, key) = (header("authorization"), header("idempotency-key"));
                let body = request.into_body().collect().await.expect("it is read").to_bytes();
                let form = String::from_utf8(body.to_vec()).expect("it is text");
                let answer = answer(&call, &authorization, &form);
                seen.lock().expect("nobody panicked").push((call, key, form));
                answer
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let base_url = format!("http://{}", listener.local_addr().expect("it has one"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = StripeConfig { base_url, ..StripeConfig::new(Secret::new(key), "price_pro") };
        (Stripe::new(config), asked)
    }

    fn answer(call: &str, authorization: &str, form: &str) -> (StatusCode, Json<Value>) {
        if authorization != "Bearer sk_test_good" {
            return (StatusCode::UNAUTHORIZED, Json(json!({ "error": { "message": "Invalid API Key: sk_test_b**" } })));
        }
        if form.contains("price_gone") {
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": { "message": "No such price: 'price_gone'" } })));
        }
        let item = json!({
            "price": { "id": "price_pro" }, "current_period_start": 1_767_225_600, "current_period_end": 1_769_904_000,
        });
        let subscription = |id: &str, status: &str| json!({ "id": id, "status": status, "cancel_at_period_end": true, "items": { "data": [item] } });
        let body = match call {
            "POST /v1/customers" => json!({ "id": "cus_1", "object": "customer" }),
            "POST /v1/checkout/sessions" => json!({ "id": "cs_1", "url": "https://checkout.stripe.com/c/cs_1" }),
            "POST /v1/billing_portal/sessions" => json!({ "url": "https://billing.stripe.com/p/1" }),
            _ => json!({ "data": [subscription("sub_2", "incomplete_expired"), subscription("sub_1", "past_due")] }),
        };
        (StatusCode::OK, Json(body))
    }

    #[tokio::test]
    async fn pages_and_subscriptions_come_from_stripe() {
        let (stripe, asked) = stripe("sk_test_good").await;

        let customer = stripe.customer("acct_1").await.expect("it is made");
        let addresses = ("https://a.example/ok?x=1&y=2", "https://a.example/no");
        let page = stripe.checkout(&customer, "price_pro", addresses, Some("once")).await.expect("it is made");
        let portal = stripe.portal(&customer).await.expect("it is made");
        let subscription = stripe.subscription(&customer).await.expect("it is told").expect("there is one");

        assert_eq!(
            (page.as_str(), portal.as_str()),
            ("https://checkout.stripe.com/c/cs_1", "https://billing.stripe.com/p/1")
        );
        assert_eq!((subscription.id.as_str(), subscription.plan), ("sub_1", BillingPlan::Pro));
        assert_eq!((subscription.status, subscription.cancel_at_period_end), (SubscriptionStatus::PastDue, true));
        assert_eq!(subscription.period_end.to_string(), "2026-02-01T00:00:00.000Z");
        let asked = asked.lock().expect("nobody panicked");
        assert_eq!(asked[0].1, "theazo-customer-acct_1");
        assert_eq!(asked[0].2, "metadata%5Btheazo_account%5D=acct_1");
        assert_eq!(asked[1].1, "once");
        assert!(asked[1].2.contains("success_url=https%3A%2F%2Fa.example%2Fok%3Fx%3D1%26y%3D2"), "{}", asked[1].2);
        assert_eq!(asked[3].0, "GET /v1/subscriptions?customer=cus_1&status=all&limit=20");
    }

    #[tokio::test]
    async fn what_stripe_refuses_is_told_and_a_bad_key_is_not() {
        let (good, _) = stripe("sk_test_good").await;
        let (bad, _) = stripe("sk_test_bad").await;
        let gone = good.checkout("cus_1", "price_gone", ("https://a.example", "https://a.example"), None).await;
        let refused = bad.portal("cus_1").await;

        assert_eq!(
            gone.expect_err("there is no such price").to_string(),
            "the payment service refused: No such price: 'price_gone'"
        );
        let refused = refused.expect_err("the key is bad").to_string();
        assert_eq!(refused, "the payment service refused: its secret key is not accepted");
    }
}
