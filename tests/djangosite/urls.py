from django.contrib import admin
from django.http import HttpResponse
from django.urls import path

from tests.djangosite import views

urlpatterns = [
    path("favicon.ico", lambda request: HttpResponse(status=204)),  # browsers ask for it
    path("admin/", admin.site.urls),
    path("suspend/<str:name>/", views.suspend),
    path("log-in-and-suspend/<str:name>/", views.log_in_and_suspend),
    path("by-token/<str:name>/", views.by_token),
    path("with-members/<str:name>/", views.with_members),
    path("async/<str:name>/", views.in_async),
    path("async-by-token/<str:name>/", views.in_async_by_token),
    path("async-by-name/<str:name>/<int:number>/", views.in_async_by_name),
]
