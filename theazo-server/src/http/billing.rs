//! Billing: budgets, credits, the plan.

use theazo_api::{
    billing::{CreateCheckout, GetBillingPortal, GetCreditBalance, GetSubscription},
    budgets::{
        DeleteBudget, DeleteBudgetOfUser, DeleteUserBudget, GetBudget, GetBudgetOfUser, GetUserBudget, SetBudget,
        SetBudgetOfUser, SetUserBudget,
    },
};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<SetBudget>| async move { call.context.set_budget(call.body).await });
    routes.unary(|call: Call<GetBudget>| async move { call.context.get_budget() });
    routes.unary(|call: Call<DeleteBudget>| async move { call.context.delete_budget().await });
    routes.unary(|call: Call<SetUserBudget>| async move { call.context.set_user_budget(call.body).await });
    routes.unary(|call: Call<GetUserBudget>| async move { call.context.get_user_budget() });
    routes.unary(|call: Call<DeleteUserBudget>| async move { call.context.delete_user_budget().await });
    routes.unary(|call: Call<SetBudgetOfUser>| async move {
        call.context.set_budget_of_user(call.path.user_id, call.body).await
    });
    routes.unary(|call: Call<GetBudgetOfUser>| async move { call.context.get_budget_of_user(&call.path.user_id) });
    routes.unary(|call: Call<DeleteBudgetOfUser>| async move {
        call.context.delete_budget_of_user(call.path.user_id).await
    });
    routes.unary(|call: Call<GetCreditBalance>| async move { call.context.credit_balance() });
    routes.unary(|call: Call<GetSubscription>| async move { call.context.subscription().await });
    routes.unary(|call: Call<CreateCheckout>| async move { call.context.create_checkout(call.body).await });
    routes.unary(|call: Call<GetBillingPortal>| async move { call.context.billing_portal().await });
}
